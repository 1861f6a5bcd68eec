"""Asking how a silent run stands: when, how often, and never at a bad moment."""

import threading
import time
from collections.abc import Iterator

import pytest

from fakes import wire
from fakes.script import WAIT_S
from outlast.protocol import Run
from outlast_cli import lookout
from outlast_cli.lookout import Lookout
from outlast_cli.waiting import Standing


class Server:
    """Answers when it may."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.asked = threading.Semaphore(0)
        self.asks = 0
        self.told: list[Standing] = []
        self.was_told = threading.Semaphore(0)

    def look(self) -> Standing:
        self.asks += 1
        asked_at = time.monotonic()
        self.asked.release()
        assert self.may_answer.wait(WAIT_S)
        return Standing(Run.model_validate(wire.run("running")), None, asked_at)

    def tell(self, standing: Standing) -> None:
        self.told.append(standing)
        self.was_told.release()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(lookout, "QUIET_S", 0.05)
    monkeypatch.setattr(lookout, "_EVERY_S", 0.01)
    return Server()


@pytest.fixture
def watched(server: Server) -> Iterator[Lookout]:
    looking = Lookout(server.look, server.tell)
    looking.start()
    yield looking
    looking.stop()
    server.may_answer.set()


def test_silence(server: Server, watched: Lookout) -> None:
    """Silence is asked about again and again, and each answer is told."""
    server.may_answer.set()
    for _ in range(3):
        assert server.was_told.acquire(timeout=WAIT_S)
    assert watched.found in server.told


def test_news(server: Server, watched: Lookout) -> None:
    """An answer to a question from before the news is not told, and counts no more."""
    assert server.asked.acquire(timeout=WAIT_S)
    watched.heard()
    server.may_answer.set()
    assert server.was_told.acquire(timeout=WAIT_S)
    assert server.asks > 1
    assert watched.found
    watched.heard()
    assert watched.found is None


def test_stop(server: Server, watched: Lookout) -> None:
    """Who stops it waits for no answer, and is told nothing any more."""
    assert server.asked.acquire(timeout=WAIT_S)
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "lookout"]
    watched.stop()
    server.may_answer.set()
    thread.join(WAIT_S)
    assert not thread.is_alive()
    assert (server.asks, server.told) == (1, [])


def test_again(server: Server, watched: Lookout) -> None:
    """It can be started again after it was stopped."""
    server.may_answer.set()
    assert server.was_told.acquire(timeout=WAIT_S)
    watched.stop()
    told = len(server.told)
    watched.start()
    while len(server.told) <= told:
        assert server.was_told.acquire(timeout=WAIT_S)


def test_gentle() -> None:
    """What has been silent for long is asked about less often."""
    assert lookout.delay_after_s(4) < lookout.delay_after_s(120)
