"""A step of `make setup` shows that it goes on, and what went wrong."""

import sys

import pytest

import step


def test_a_step(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It says at once what it does, now and then that it goes on, and nothing of what was said."""
    monkeypatch.setattr(step, "_LINE_EVERY_S", 0.1)
    monkeypatch.setattr(step, "_TICK_S", 0.05)
    code = "import time; print('chatter'); time.sleep(0.5)"
    assert step.run("Installing it (2 MB)", [sys.executable, "-c", code]) == 0
    first, *others = capsys.readouterr().err.splitlines()
    assert first == "Installing it (2 MB) …"
    assert others
    assert all(line.startswith("  … ") for line in others)


def test_a_step_that_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """What it said is shown, and its exit status counts."""
    assert step.run("Installing it", [sys.executable, "-c", "exit('no such thing')"]) == 1
    assert "no such thing" in capsys.readouterr().err
