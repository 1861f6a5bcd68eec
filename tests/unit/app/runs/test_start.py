"""What a start on a thread asks Restate for."""

from typing import Any

import pytest

from fakes.orders import on_thread
from outlast import Agent
from outlast.contract import RunOrder, SubmitAnswer
from outlast.names import RunRef, ThreadRef
from outlast.protocol import Run
from outlast.registry import Registry
from outlast.webhooks import WebhookPolicy
from outlast_app.restate.outcomes import Ended, Outcome, Unknown
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


def _starter(ingress: Granting) -> RunStarter:
    there: Any = ingress
    registry = Registry([Agent(name="support", instructions="Help.")], "openai/x")
    nobody = WebhookPolicy((), (), {})
    return RunStarter(registry, there, RunReader(there, there), 10, nobody)
