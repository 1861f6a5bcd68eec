"""Which forks may be, and with what they begin."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from fakes.orders import order
from outlast import Agent, Limits
from outlast.contract import ForkPoint, RunOrder
from outlast.errors import InvalidRequest, RunNotEnded, UnknownAgent
from outlast.names import RunRef
from outlast.protocol import ForkedFrom, ForkRun, Overrides, Run
from outlast.registry import Registry
from outlast_app.restate.outcomes import Ended, Outcome, Pending
from outlast_app.runs.forks import Forks

REF = RunRef("acme", f"support.{'a' * 26}")
RUN = Run(run_id=REF.run_id, agent="support", status="completed")
THERE = ForkPoint(outcome="there", has_definition=True)


@dataclass
class Source:
    """Ingress and reader of the run that is forked."""

    point: ForkPoint = THERE
    ordered: RunOrder = field(default_factory=lambda: order(tenant="acme", context={"a": 1}))
    found: Outcome = field(default_factory=lambda: Ended(RUN))

    async def end(self, _ref: RunRef) -> Outcome:
        return self.found

    async def fork_point(self, _ref: RunRef, _after_turn: int) -> ForkPoint:
        return self.point

    async def order(self, _ref: RunRef) -> RunOrder:
        return self.ordered


async def forked(source: Source, key: str | None = None, **body: Any) -> RunOrder:
    agent = Agent(name="support", instructions="Help.", overrides={"options"})
    forks = Forks(Registry([agent], "openai/x"), source, source)  # pyright: ignore[reportArgumentType]
    asked = ForkRun(**{"after_turn": 1, **body})
    return await forks.order(REF, asked, key, stream=False, trace=None)


async def test_what_a_fork_begins_with() -> None:
    """The context and metadata of the other run, and what the request says."""
    made = await forked(Source(), input="And now?")
    assert (made.tenant, made.agent, made.context) == ("acme", "support", {"a": 1})
    assert (made.metadata, made.limits, made.thread_id) == ({"ticket": "7"}, Limits(), None)
    assert made.forked_from == ForkedFrom(run_id=REF.run_id, after_turn=1)
    assert [message.content for message in made.input] == ["And now?"]
    assert (made.parent, made.admission, made.repeatable) == (None, "none", False)
    own = await forked(Source(), metadata={}, limits={"max_turns": 2}, thread_id="t")
    assert (own.metadata, own.limits.max_turns, own.input) == ({}, 2, [])
    assert (own.admission, own.after_run) == ("queued", "none")  # a thread that had no run


async def test_the_same_request() -> None:
    """One key is one run; with another body, or of another run, it is told apart."""
    first = await forked(Source(), "k", input="x")
    again = await forked(Source(), "k", input="x")
    other = await forked(Source(), "k", input="y")
    assert first.run_id == again.run_id == other.run_id
    assert first.body_hash == again.body_hash != other.body_hash
    assert first.repeatable


async def test_a_run_that_goes_on() -> None:
    """It is told what to do."""
    with pytest.raises(RunNotEnded, match="Wait for its end or cancel it"):
        await forked(Source(found=Pending()))


@pytest.mark.parametrize(
    ("point", "why"),
    [
        (ForkPoint(outcome="unknown_turn", last_turn=3), "the last one that can be is 3"),
        (ForkPoint(outcome="unknown_turn"), "has not had a turn 1 to its end"),
        (
            ForkPoint(outcome="open_calls", last_turn=0, call_ids=["1.0", "1.1"]),
            "what came of the calls 1.0, 1.1 of turn 1; the last one that can be is 0",
        ),
        (ForkPoint(outcome="lost"), "is not there any more"),
    ],
)
async def test_turns_that_are_none(point: ForkPoint, why: str) -> None:
    """It is refused by its field, with the turn to take."""
    with pytest.raises(InvalidRequest, match=why) as refused:
        await forked(Source(point))
    assert refused.value.extra["errors"][0]["field"] == "body.after_turn"


async def test_nothing_to_ask() -> None:
    """After an answer somebody has to say something."""
    answered = THERE.model_copy(update={"is_answered": True})
    with pytest.raises(InvalidRequest, match="say what it is to go on with"):
        await forked(Source(answered))
    assert (await forked(Source(answered), input="More.")).input


async def test_no_definition() -> None:
    """A run that failed before it had one is gone on from with that of now."""
    without = THERE.model_copy(update={"has_definition": False})
    with pytest.raises(InvalidRequest, match="take `current`"):
        await forked(Source(without))
    assert await forked(Source(without), definition="current")


async def test_what_the_other_run_had_of_its_own() -> None:
    """It stays, but what was for the first turn; the agent of now has to allow it."""
    own = Overrides(options={"temperature": 0}, tool_choice="required")  # pyright: ignore[reportArgumentType]
    source = Source(ordered=order(overrides=own))
    made = await forked(source, definition="current")
    assert made.overrides == own.model_copy(update={"tool_choice": None})
    begun = await forked(source, after_turn=0)
    assert begun.overrides == own
    strict = Source(ordered=order(overrides=Overrides(instructions="Be rude.")))
    assert (await forked(strict)).overrides
    with pytest.raises(InvalidRequest, match="instructions") as refused:
        await forked(strict, definition="current")
    assert refused.value.extra["errors"][0]["field"] == "body.definition"


async def test_an_agent_that_is_gone() -> None:
    forks = Forks(Registry([Agent(name="other", instructions="x")], "openai/x"), None, None)  # pyright: ignore[reportArgumentType]
    with pytest.raises(UnknownAgent):
        await forks.order(REF, ForkRun(after_turn=0), None, stream=False, trace=None)
