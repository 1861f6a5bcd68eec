"""What a start asks Restate for."""

import asyncio
from typing import Any

import pytest

from fakes.orders import on_thread, order
from outlast import Agent
from outlast.contract import RunOrder, SubmitAnswer
from outlast.names import RunRef, ThreadRef
from outlast.protocol import Run
from outlast.registry import Registry
from outlast.webhooks import WebhookPolicy
from outlast_app.restate.outcomes import Ended, Outcome, Pending, Unknown
from outlast_app.runs.reader import RunReader
from outlast_app.runs.start import RunStarter

ORDER = on_thread()
ENDED = Run(run_id=ORDER.run_id, agent="support", status="completed", output="said")


class Granting:
    """An ingress whose thread grants each run, and at which the run arrives after some looks."""

    def __init__(self, looks: int) -> None:
        self._looks = looks
        self.asked: list[str] = []

    async def submit(self, _thread: ThreadRef, _order: RunOrder, _wait_s: float) -> SubmitAnswer:
        self.asked.append("submit")
        return SubmitAnswer(outcome="granted")

    async def wait(self, _ref: RunRef, _wait_s: float) -> Outcome:
        self.asked.append("wait")
        self._looks -= 1
        return Unknown() if self._looks >= 0 else Ended(ENDED)

    async def arrival(self, _order: RunOrder) -> None:
        self.asked.append("arrival")
        self._looks = 0


@pytest.mark.parametrize(
    ("looks", "asked"),
    [(0, ["submit", "wait"]), (1, ["submit", "wait", "arrival", "wait"])],
    ids=["arrived", "on its way"],
)
async def test_until_the_end(looks: int, asked: list[str]) -> None:
    """A run that was granted its thread is waited for at once; one that is on its way is found."""
    ingress = Granting(looks)
    assert await _starter(ingress).start(ORDER, 10) == ENDED
    assert ingress.asked == asked


async def test_at_once() -> None:
    """Who is not to wait is told of a run that can be found."""
    ingress = Granting(looks=1)
    run = await _starter(ingress).start(ORDER, 0)
    assert (run.run_id, run.status) == (ORDER.run_id, "queued")
    assert ingress.asked == ["submit", "arrival"]


class Waiting:
    """An ingress at which a run comes to wait for a person, or ends at once."""

    def __init__(self, *, ends: bool) -> None:
        self._ends = ends
        self.asked: list[str] = []

    async def start(self, _order: RunOrder) -> Pending:
        self.asked.append("start")
        return Pending()

    async def start_and_wait(self, order: RunOrder, wait_s: float) -> Outcome:
        self.asked.append("start_and_wait")
        return await self.wait(order.ref, wait_s)

    async def wait(self, _ref: RunRef, _wait_s: float) -> Outcome:
        if not self._ends:
            await asyncio.Event().wait()
        return Ended(ENDED)

    async def settled(self, _ref: RunRef, _wait_s: float, *, in_line: bool) -> str:
        self.asked.append(f"settled, {in_line=}")
        return "settled"

    async def outcome(self, _ref: RunRef) -> Outcome:
        return Pending()

    async def status(self, _ref: RunRef, **_options: Any) -> Run:
        return ENDED.model_copy(update={"status": "waiting", "waiting_for": "approval"})

    async def engine_row(self, _ref: RunRef) -> None:
        return None


@pytest.mark.parametrize(
    ("repeatable", "asked"),
    [
        (False, ["start_and_wait", "settled, in_line=False"]),
        (True, ["start", "settled, in_line=False"]),
    ],
)
async def test_until_a_person_is_asked(*, repeatable: bool, asked: list[str]) -> None:
    """Its caller is told, though the request for the run's end stays without an answer."""
    ingress = Waiting(ends=False)
    run = await _starter(ingress).start(order(repeatable=repeatable), 10)
    assert (run.status, run.waiting_for) == ("waiting", "approval")
    assert ingress.asked == asked


async def test_an_end_at_once() -> None:
    """Nobody asks whether a run waits that has ended, or that was refused."""
    ingress = Waiting(ends=True)
    assert await _starter(ingress).start(order(), 10) == ENDED
    assert ingress.asked == ["start_and_wait"]


def _starter(ingress: Granting | Waiting) -> RunStarter:
    there: Any = ingress
    asks = isinstance(ingress, Waiting)
    agent = Agent(name="support", instructions="Help.", on_limit="approve" if asks else "stop")
    registry = Registry([agent], "openai/x")
    nobody = WebhookPolicy((), (), {})
    return RunStarter(registry, there, RunReader(there, there), 10, nobody)
