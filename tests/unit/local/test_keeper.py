"""A stack does not outlive an owner who is killed, in which no `finally` runs."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from fakes.waiting import wait_until
from outlast_local.keeper import Keeper
from outlast_local.process_table import ProcessTable

_OWNER = """
import sys
from pathlib import Path
from outlast_local.keeper import Keeper
Keeper(Path(sys.argv[1])).start()
print("kept", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def part(tmp_path: Path) -> Iterator[psutil.Process]:
    """A process of a stack."""
    with subprocess.Popen(["sleep", "60"]) as child:
        ProcessTable(tmp_path).add("worker", child.pid)
        yield psutil.Process(child.pid)
        child.kill()


def test_an_owner_that_is_killed(tmp_path: Path, part: psutil.Process) -> None:
    """What it had started ends, and is forgotten."""
    with subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as owner:
        assert owner.stdout
        assert owner.stdout.readline() == b"kept\n"
        assert part.status() != psutil.STATUS_ZOMBIE
        owner.kill()
    wait_until(lambda: part.status() == psutil.STATUS_ZOMBIE, "the end of the stack")
    wait_until(lambda: not (tmp_path / "stack.json").exists(), "an empty table")


@pytest.mark.usefixtures("part")
def test_an_owner_that_ends_its_stack_itself(tmp_path: Path) -> None:
    """A keeper that is stopped ends nothing, and is gone."""
    keeper = Keeper(tmp_path)
    keeper.start()
    [process] = [each for each in psutil.Process().children() if str(tmp_path) in each.cmdline()]
    keeper.stop()
    keeper.stop()
    assert not process.is_running()
    assert ProcessTable(tmp_path).alive().keys() == {"worker"}
