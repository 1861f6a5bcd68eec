"""Printed commands work where they are read: also where `outlast` is not on the PATH."""

import sys
from pathlib import Path

import pytest

from outlast_cli.program import outlast


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed `outlast` in the folder `bin`, called from the folder above."""
    installed = tmp_path / "bin" / "outlast"
    installed.parent.mkdir()
    installed.write_text("#!/bin/sh\n")
    installed.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["bin/outlast", "up"])
    return installed


def test_it_is_on_the_path(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the shell finds this very program by its name, the name does."""
    monkeypatch.setenv("PATH", str(program.parent))
    assert outlast("chat", "a b") == "outlast chat 'a b'"


def test_it_is_not_on_the_path(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is called as it was: by its path from here."""
    monkeypatch.setenv("PATH", "/nowhere")
    assert outlast("logs") == "bin/outlast logs"


def test_another_one_is_on_the_path(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name would start another installation, which knows nothing of this one."""
    other = tmp_path / "other" / "outlast"
    other.parent.mkdir()
    other.write_bytes(program.read_bytes())
    other.chmod(0o755)
    monkeypatch.setenv("PATH", str(other.parent))
    assert outlast("logs") == "bin/outlast logs"


def test_it_is_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """Called in another way it has no better name than its own."""
    monkeypatch.setattr(sys, "argv", ["/usr/bin/pytest"])
    assert outlast() == "outlast"
