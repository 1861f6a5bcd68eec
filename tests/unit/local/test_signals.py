"""No process of a stack stays behind, at whatever moment signals come."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from outlast_local.process import Process, end_all
from outlast_local.process_table import ProcessTable, end
from outlast_local.signals import interruptible, put_off

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True);"
    "time.sleep(60)"
)
ZOMBIE = (
    "import os, time; p = os.fork(); p or os._exit(0);"
    "os.waitid(os.P_PID, p, os.WEXITED | os.WNOWAIT); print(p, flush=True); time.sleep(60)"
)


@pytest.fixture
def stubborn(tmp_path: Path) -> Iterator[list[Process]]:
    """Two processes that SIGTERM does not end."""
    processes = [
        Process(name, [sys.executable, "-c", STUBBORN], {}, tmp_path / name, tmp_path)
        for name in ("one", "other")
    ]
    for process in processes:
        process.start()
        process.wait_until(lambda process=process: bool(process.log_lines()), 10)
    yield processes
    for process in processes:
        process.kill()


def test_a_signal_while_a_process_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process is known, and can be ended, before a signal is heard."""
    process = Process("slow", ["sleep", "60"], dict(os.environ), tmp_path / "log", tmp_path)
    popen = subprocess.Popen

    def interrupted(*args: object, **kwargs: object) -> Any:
        child: Any = popen(*args, **kwargs)  # pyright: ignore[reportCallIssue, reportArgumentType]
        signal.raise_signal(signal.SIGINT)
        return child

    monkeypatch.setattr(subprocess, "Popen", interrupted)
    with pytest.raises(KeyboardInterrupt):
        process.start()
    assert process.running
    process.kill()


def test_all_end_at_once(stubborn: list[Process]) -> None:
    """The time that processes have to end is one for all, and then they are killed."""
    began = time.monotonic()
    end_all(stubborn, grace_s=1.5)
    assert not any(process.running for process in stubborn)
    assert 1.5 <= time.monotonic() - began < 1.5 * len(stubborn)


def test_a_signal_while_they_end(stubborn: list[Process]) -> None:
    """A signal ends the waiting, and comes through when nothing runs any more."""
    began = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    before = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        with pytest.raises(KeyboardInterrupt):
            end_all(stubborn, grace_s=30)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert not any(process.running for process in stubborn)
    assert time.monotonic() - began < 15


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def number(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """A signal that is heard, also where who started the tests ignores it, as nohup does."""
    as_python_starts = (
        signal.default_int_handler if request.param == signal.SIGINT else signal.SIG_DFL
    )
    before = signal.signal(request.param, as_python_starts)
    yield request.param
    signal.signal(request.param, before)


def test_the_first_signal_interrupts(
    number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    """The first signal unwinds, with one line; those after it can't cut what it unwinds."""
    unwound: list[str] = []

    def interrupted() -> None:
        try:
            signal.raise_signal(number)
        finally:
            signal.raise_signal(number)
            unwound.append("block")

    handlers = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), interruptible(lambda: unwound.append("end")):
        interrupted()
    assert unwound == ["block", "end"]
    assert capfd.readouterr().err == "\nStopping …\n"
    assert signal.getsignal(number) == handlers


def test_a_second_signal_is_heard_of(capfd: pytest.CaptureFixture[str]) -> None:
    """One that comes before the processes are being ended makes that quicker all the same."""
    heard: list[list[int]] = []

    def end() -> None:
        for _ in range(2):
            with put_off() as came:
                heard.append(list(came))

    def interrupted() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt), interruptible(end):
        interrupted()
    assert all(signal.SIGINT in came for came in heard)
    assert len(heard) == 2
    assert capfd.readouterr().err == "\nStopping …\n"


def test_an_error_ends_them_too() -> None:
    """Whatever raises, what was started is ended."""
    ended: list[bool] = []
    with pytest.raises(ZeroDivisionError), interruptible(lambda: ended.append(True)):
        raise ZeroDivisionError
    assert ended


def test_ignored_signals_stay_ignored() -> None:
    """Under nohup a command goes on when its terminal is closed."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible(lambda: None), put_off() as came:
            signal.raise_signal(signal.SIGHUP)
        assert came == []
    finally:
        signal.signal(signal.SIGHUP, before)


# The table on disk.


def test_the_table(tmp_path: Path) -> None:
    """A later command finds what runs, the last one first, and nothing that has ended."""
    table = ProcessTable(tmp_path)
    children = [subprocess.Popen(["sleep", "60"]) for _ in range(3)]
    for index, child in enumerate(children):
        table.add(str(index), child.pid)
    children[1].kill()
    children[1].wait()
    assert list(table.alive()) == ["2", "0"]
    for process in table.alive().values():
        end(process, 5)
    assert table.alive() == {}
    for child in children:
        child.wait()
    table.clear()
    table.clear()


def test_a_zombie_is_not_alive(tmp_path: Path) -> None:
    """A process that ended counts as such although nobody has asked for its status."""
    table = ProcessTable(tmp_path)
    parent = subprocess.Popen([sys.executable, "-c", ZOMBIE], stdout=subprocess.PIPE)
    assert parent.stdout
    zombie = int(parent.stdout.readline())
    table.add("zombie", zombie)
    try:
        assert psutil.Process(zombie).status() == psutil.STATUS_ZOMBIE
        assert table.alive() == {}
        end(psutil.Process(zombie), 30)
    finally:
        parent.kill()
        parent.communicate()


def test_a_table_of_two_stacks(tmp_path: Path) -> None:
    """A stack that ends leaves what another one has written into the same folder."""
    first, second = ProcessTable(tmp_path), ProcessTable(tmp_path)
    first.add("one", os.getpid())
    first.add("other", os.getppid())
    second.add("one", os.getppid())
    first.forget_own()
    assert {name: process.pid for name, process in second.alive().items()} == {"one": os.getppid()}
    second.forget_own()
    assert list(tmp_path.iterdir()) == []


def test_the_end_of_what_has_ended(tmp_path: Path) -> None:
    """A process that is gone by the time it is to be ended is no error."""
    child = subprocess.Popen(["sleep", "60"])
    process = psutil.Process(child.pid)
    child.kill()
    child.wait()
    end(process, 5)
