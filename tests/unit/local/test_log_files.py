"""The logs of a stack are read whole, line by line, and followed over new starts."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from outlast_local import log_files
from outlast_local.errors import NotRunning


def test_one_and_all(tmp_path: Path) -> None:
    """One log is read as it is; of all, each line says whose it is. Older ones are left out."""
    (tmp_path / "app.log").write_text("a\nb\n")
    (tmp_path / "worker.log").write_bytes(b"\xffc\nnot whole")
    (tmp_path / "worker.log.1").write_text("old\n")
    assert list(log_files.read(tmp_path, "app", follow=False)) == ["a", "b"]
    assert list(log_files.read(tmp_path, None, follow=False)) == [
        "app    | a",
        "app    | b",
        "worker | �c",
    ]


@pytest.mark.parametrize(("part", "said"), [("wrong", "there are: app"), (None, "no logs yet")])
def test_no_log(tmp_path: Path, part: str | None, said: str) -> None:
    """What is not there is said, with what is."""
    if part:
        (tmp_path / "app.log").touch()
    with pytest.raises(NotRunning, match=said):
        list(log_files.read(tmp_path, part, follow=False))


def test_following(tmp_path: Path) -> None:
    """Lines come as they are whole, also in a log that is begun anew."""
    log = tmp_path / "app.log"
    log.write_text("one\ntw")
    lines: Iterator[str] = log_files.read(tmp_path, "app", follow=True)
    assert next(lines) == "one"

    def later(text: str, mode: str) -> str:
        def write() -> None:
            with log.open(mode) as file:
                file.write(text)

        timer = threading.Timer(0.3, write)
        timer.start()
        try:
            return next(lines)
        finally:
            timer.join()

    assert later("o\n", "a") == "two"
    assert later("new\n", "w") == "new"
