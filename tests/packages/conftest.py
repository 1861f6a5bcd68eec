"""Wheels, environments with them, and other Pythons: each made or found once."""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from packages.environments import ROOT, Environment, Environments, run

PythonFinder = Callable[[str], str | None]


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Path]:
    """The wheels, as `make build` makes them."""
    folder = tmp_path_factory.mktemp("wheels")
    run("make", "--no-print-directory", "build", f"DIST={folder}", cwd=ROOT)
    return sorted(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def environments(wheels: Sequence[Path], tmp_path_factory: pytest.TempPathFactory) -> Environments:
    return Environments(tmp_path_factory.mktemp("environments"), wheels[0].parent)


@pytest.fixture(scope="session")
def everything(environments: Environments) -> Environment:
    """What `pip install "outlast[local]"` gives, and pytest."""
    return environments.with_wheels("outlast[local]", "pytest", "pytest-asyncio")


@pytest.fixture(scope="session")
def find_python() -> PythonFinder:
    """Finds another Python on this machine, by its version."""

    def find(version: str) -> str | None:
        pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
        installed = sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}"))
        named = [shutil.which(f"python{version}"), *map(str, installed)]
        return next((python for python in named if python and _runs(python)), None)

    return find


def _runs(python: str) -> bool:
    """Tell whether it is more than a name: a version manager has one for each it could run."""
    command = [python, "-c", "import venv"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
