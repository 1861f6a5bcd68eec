"""A wheel that is packed from an installed package is as good as the one that was installed."""

import csv
import io
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path

import pytest

from outlast_local import wheels


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Distribution]:
    """A built wheel, and the package as it is after an installation from it."""
    folder = tmp_path_factory.mktemp("installed")
    wheels.write_wheels(folder / "built")
    [wheel] = (folder / "built").glob("outlast_cli-*.whl")
    site = folder / "site"
    command = [sys.executable, "-m", "uv", "pip", "install", "--offline", "--no-deps", "--quiet"]
    subprocess.run([*command, "--target", str(site), str(wheel)], check=True)
    [about] = site.glob("outlast_cli-*.dist-info")
    return wheel, PathDistribution(about)


def test_packed_again(
    installed: tuple[Path, Distribution], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the same files, and a record of them."""
    built, package = installed
    monkeypatch.setattr(wheels, "PACKAGES", ("outlast-cli",))
    monkeypatch.setattr(wheels, "distribution", lambda _name: package)
    wheels.write_wheels(tmp_path / "wheels")
    [packed] = (tmp_path / "wheels").iterdir()
    assert packed.name == built.name
    with zipfile.ZipFile(packed) as ours, zipfile.ZipFile(built) as theirs:
        files = {name for name in theirs.namelist() if not name.endswith("/")}
        assert set(ours.namelist()) == files
        different = {name for name in files if ours.read(name) != theirs.read(name)}
        assert different == {name for name in files if name.endswith("/RECORD")}
        [record] = different
        rows = [list(csv.reader(io.StringIO(w.read(record).decode()))) for w in (ours, theirs)]
        assert sorted(rows[0]) == sorted(rows[1])
    # The same package makes the same file.
    monkeypatch.setattr(wheels, "PACKAGES", ("outlast-cli",))
    wheels.write_wheels(tmp_path / "again")
    assert (tmp_path / "again" / packed.name).read_bytes() == packed.read_bytes()
