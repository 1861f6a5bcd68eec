"""Fixtures of the tests that need a container engine."""

import shutil
import subprocess
from pathlib import Path

import pytest

from fakes.compose import skip_without_engine
from fakes.repository import ROOT


@pytest.fixture(scope="session", autouse=True)
def _engine() -> None:
    skip_without_engine()


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tracked files, as after `git clone`."""
    folder = tmp_path_factory.mktemp("clone")
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, tracked.split("\0")):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    return folder
