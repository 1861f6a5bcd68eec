"""`outlast init` writes a project that works as it is, whatever its name."""

import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

from fakes.repository import ROOT
from outlast_local.errors import NotMade
from outlast_local.new_project import check_name, write_project
from outlast_local.wheels import PACKAGES


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home") / "night_shift2"
    write_project(folder)
    return folder


def test_what_is_written(written: Path) -> None:
    """The name is in all places where one has to be, and `.env` says whose agents they are."""
    assert (written / ".env").read_text() == "AGENTS=night_shift2\n"
    texts = [path for path in written.rglob("*") if path.is_file() and path.suffix != ".whl"]
    assert [path for path in texts if "desk" in path.read_text()] == []
    for name in ("night_shift2/__init__.py", "compose.yaml", "Dockerfile", ".dockerignore"):
        assert (written / name).exists(), name
    assert not list(written.rglob("__pycache__"))


def test_the_wheels(written: Path) -> None:
    """Each package of Outlast is beside it, to install from."""
    wheels = sorted((written / "wheels").iterdir())
    version = distribution("outlast").version
    assert [wheel.name for wheel in wheels] == [
        f"{name.replace('-', '_')}-{version}-py3-none-any.whl" for name in sorted(PACKAGES)
    ]
    assert all(zipfile.ZipFile(wheel).testzip() is None for wheel in wheels)


def test_its_tests(written: Path) -> None:
    """Its own tests pass, and warn of nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-W", "error"],
        cwd=written,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "6 passed" in done.stdout


def test_its_types(written: Path) -> None:
    """It passes pyright in strict mode."""
    done = subprocess.run(
        [ROOT / "node_modules/.bin/pyright", "--pythonpath", sys.executable, "."],
        cwd=written,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("2nd", "can't be the name of a Python package"),
        ("my-desk", "can't be the name of a Python package"),
        ("class", "can't be the name of a Python package"),
        ("../desk", "can't be the name of a Python package"),
        ("json", "a module of Python's own"),
        ("pydantic", "installed here"),
        ("tests", "inside of every project"),
    ],
)
def test_names_that_can_not_be(name: str, reason: str) -> None:
    """A name that would not work is refused, with why."""
    with pytest.raises(NotMade, match=reason):
        check_name(name)


def test_what_is_there_stays(tmp_path: Path) -> None:
    """Nothing is written into a folder that is there."""
    (tmp_path / "mine").mkdir()
    with pytest.raises(NotMade, match="is there already"):
        write_project(tmp_path / "mine")
    assert list((tmp_path / "mine").iterdir()) == []
