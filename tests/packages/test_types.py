"""What type checkers see of the installed packages, at their strictest, in a user's project."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from packages.environments import ROOT, Environment, run

pytestmark = [pytest.mark.packages, pytest.mark.timeout(600)]

PYRIGHT = ROOT / "node_modules/.bin/pyright"


@pytest.fixture(scope="module")
def project(everything: Environment) -> Path:
    """The sample project, outside of the repository."""
    folder = everything.work / "types"
    shutil.copytree(Path(__file__).parent / "sample", folder)
    return folder


def test_mypy(everything: Environment, project: Path) -> None:
    """`mypy --strict` finds the types, and what is used wrongly."""
    mypy = Path(sys.executable).with_name("mypy")
    said = run(mypy, "--strict", "--python-executable", everything.python, "desk", cwd=project)
    assert "Success: no issues found in 4 source files" in said


def test_pyright(everything: Environment, project: Path) -> None:
    """Pyright in strict mode finds the types, and what is used wrongly; nothing is unknown."""
    settings = {
        "include": ["desk"],
        "typeCheckingMode": "strict",
        "reportUnnecessaryTypeIgnoreComment": True,
        "enableTypeIgnoreComments": False,  # those are mypy's
        "pythonVersion": "3.11",
    }
    (project / "pyrightconfig.json").write_text(json.dumps(settings))
    said = run(PYRIGHT, "--pythonpath", everything.python, cwd=project)
    assert "0 errors" in said
