"""What people and models say is for the user of the stack alone, also where it lay open before."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from outlast_local.errors import ForeignFolder
from outlast_local.private_files import make_private_folder, open_private_log


@pytest.fixture(autouse=True)
def usual_mask() -> Iterator[None]:
    """What most systems set: others may read."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("before", [None, 0o777, 0o755, 0o750, 0o700])
def test_folders(tmp_path: Path, before: int | None) -> None:
    """A new folder is private, and so is one of before from now on."""
    folder = tmp_path / "a" / "stack"
    if before:
        folder.mkdir(parents=True)
        folder.chmod(before)
    make_private_folder(folder)
    make_private_folder(folder)
    assert mode(folder) == 0o700


def test_a_folder_that_others_use(tmp_path: Path) -> None:
    """What all may write to, as `/tmp`, is not shut on them but refused."""
    tmp_path.chmod(0o1777)
    with pytest.raises(ForeignFolder, match="Let STACK_DIR name another folder"):
        make_private_folder(tmp_path)
    assert mode(tmp_path) == 0o1777


def test_a_folder_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What can't be shut is refused."""

    def refuse(*_: object) -> None:
        raise PermissionError

    tmp_path.chmod(0o755)
    monkeypatch.setattr(Path, "chmod", refuse)
    with pytest.raises(ForeignFolder):
        make_private_folder(tmp_path)


@pytest.mark.parametrize("before", [None, 0o644])
def test_logs(tmp_path: Path, before: int | None) -> None:
    """A log is added to, and nobody else reads it."""
    log = tmp_path / "worker.log"
    if before:
        log.write_text("old\n")
        log.chmod(before)
    with open_private_log(log) as output:
        output.write(b"new\n")
    assert mode(log) == 0o600
    assert log.read_text() == ("old\nnew\n" if before else "new\n")
