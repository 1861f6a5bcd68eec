"""Handoffs, in the loop: who speaks from when on, by which definition, and who does not."""

from typing import Any

import pytest

from fakes.orders import on_thread, order
from fakes.records import after, answer, decided, pin, result
from fakes.steps import FakeSteps
from outlast.events import AnyEvent, HandedOver, RunStarted, ToolCallCompleted, ToolCallStarted
from outlast.protocol import Limits, ModelSettings, Run, RunError
from outlast_worker.engine.exceptions import Cancelled
from outlast_worker.engine.records import (
    HandoffOutcome,
    HandoffRefused,
    HookRecord,
    Pin,
    PinFailure,
    PinnedHook,
    PinnedTool,
)
from unit.worker.engine.playing import assert_valid_for_a_model, play

TO_BILLING = ("transfer_to_billing", "{}")
TO_TECH = ("transfer_to_tech", "{}")
NOTE = ("note", "{}")


def transfer(to: str) -> PinnedTool:
    return PinnedTool(
        name=f"transfer_to_{to}",
        description="…",
        parameters={},
        kind="handoff",
        hands_over_to=to,
    )


def desk(*tools: str, **fields: Any) -> Pin:
    own = pin(*(tools or ("note",)))
    handoffs = [transfer("billing"), transfer("tech")]
    return own.model_copy(update={"tools": [*own.tools, *handoffs], **fields})


def taken(agent: str, *tools: str, turn: int = 1, at_s: float = 4, **fields: Any) -> Pin:
    """Make the pin of an agent that has taken over in a turn."""
    limits = fields.pop("limits", {})
    own = pin(*tools, **limits)
    update = {
        "at": after(at_s),
        "agent": agent,
        "first_turn": turn + 1,
        "digest": agent,
        "instructions": f"You are {agent}.",
        "model": f"openai/{agent}",
    }
    return own.model_copy(update={**update, **fields})


def script(*turns: Any, **fields: Any) -> FakeSteps:
    handoffs: dict[str, HandoffOutcome] = {"1.0": taken("billing", "book")}
    return FakeSteps(**{"model": turns, "pinned": desk(), "handoffs": handoffs, **fields})


def told(run: Run) -> list[str]:
    return [str(message.content) for message in run.messages or [] if message.role == "tool"]


def of(kind: type[AnyEvent], steps: FakeSteps) -> list[Any]:
    return [event for event in steps.events if isinstance(event, kind)]


async def test_who_speaks() -> None:
    """From the next turn on it is the other agent, with its instructions, tools and model."""
    steps = script(answer("", TO_BILLING), answer("I am billing."))
    run = await play(steps)
    first, second = steps.calls
    assert (first.pin.instructions, first.model) == ("Be brief.", "openai/x")
    assert (second.pin.instructions, second.model) == ("You are billing.", "openai/billing")
    assert [tool.name for tool in second.pin.tools] == ["book"]
    assert (run.status, run.output, run.agent) == ("completed", "I am billing.", "support")
    assert run.handed_over_to == "billing"
    spoke = [(m.role, m.agent, m.handed_over_to) for m in run.messages or []]
    assert spoke == [
        ("user", None, None),
        ("assistant", "support", None),
        ("tool", None, "billing"),
        ("assistant", "billing", None),
    ]
    assert told(run) == ["billing has taken over, and goes on from here."]
    assert_valid_for_a_model(run)


async def test_its_models() -> None:
    """Its own first one is asked, also if the one that answered before is among its fallbacks."""
    new = taken("billing", fallbacks=["openai/x"])
    steps = script(answer("", TO_BILLING), answer("Hello."), handoffs={"1.0": new})
    await play(steps)
    assert [call.model for call in steps.calls] == ["openai/x", "openai/billing"]


async def test_how_it_is_told() -> None:
    """It is an event of its own, after the call's result, and the run says it before that."""
    steps = script(answer("", TO_BILLING), answer("I am billing."))
    await play(steps)
    [handed] = of(HandedOver, steps)
    assert (handed.from_, handed.to, handed.turn, handed.call_id) == (
        "support",
        "billing",
        1,
        "1.0",
    )
    assert '"from":"support","to":"billing"' in handed.model_dump_json()
    began = steps.log.index("tool_call.started")
    assert steps.log[began : began + 8] == [
        "tool_call.started",
        "handoff 1.0",
        "tool_call.completed",
        "keep_former_definition d 1",
        "keep_definition billing",
        "save running",
        "handoff",
        "save running",
    ]
    saved = [run.handed_over_to for run in steps.keep.runs]
    assert saved[0] is None
    assert saved[-1] == "billing"


async def test_other_calls_run_first() -> None:
    """All that the answer asks for beside it is done by the agent that asked."""
    steps = script(answer("", TO_BILLING, NOTE), answer("Done."), tools={"1.1": result("noted")})
    run = await play(steps)
    assert steps.log.index("tool 1.1") < steps.log.index("handoff 1.0")
    assert told(run) == ["billing has taken over, and goes on from here.", "noted"]
    assert run.usage.tool_calls == 2


async def test_two_at_once() -> None:
    """The first one wins; the others are told so, and nobody is asked for them."""
    steps = script(answer("", TO_BILLING, TO_TECH), answer("Done."))
    run = await play(steps)
    assert run.handed_over_to == "billing"
    assert told(run)[1] == (
        "The conversation is handed over to billing by another call of this answer, so not to tech."
    )
    assert [event.error_type for event in of(ToolCallCompleted, steps)] == [None, "handoff"]
    assert [event.name for event in of(ToolCallStarted, steps)] == ["transfer_to_billing"]
    assert "handoff 1.1" not in steps.log


REFUSED = HandoffRefused(at=after(4), fault="It lacks order_id.", error_type="invalid_arguments")
FAILED = PinFailure(
    at=after(4), error=RunError(type="definition-missing", message="No name.", retryable=False)
)


@pytest.mark.parametrize(
    ("outcome", "says", "kind"),
    [
        (REFUSED, "It lacks order_id.", "invalid_arguments"),
        (FAILED, "billing could not take over: No name. Go on without.", "handoff"),
    ],
)
async def test_nobody_takes_over(outcome: HandoffOutcome, says: str, kind: str) -> None:
    """The agent is told why, and goes on; one that was asked beside it may take over instead."""
    steps = script(answer("", TO_BILLING), answer("Then not."), handoffs={"1.0": outcome})
    run = await play(steps)
    assert (run.output, run.handed_over_to, told(run)) == ("Then not.", None, [says])
    assert [event.error_type for event in of(ToolCallCompleted, steps)] == [kind]
    assert not of(HandedOver, steps)
    steps = script(
        answer("", TO_BILLING, TO_TECH),
        answer("I am tech."),
        handoffs={"1.0": outcome, "1.1": taken("tech")},
    )
    run = await play(steps)
    assert (run.handed_over_to, told(run)[0]) == ("tech", says)


async def test_no_tool_of_the_old_agent() -> None:
    """What the agent before could call is not there any more: the model made the name up."""
    steps = script(
        answer("", TO_BILLING),
        answer("", NOTE, TO_TECH),
        answer("Done."),
        tools={"2.0": result("There is no tool"), "2.1": result("There is no tool")},
    )
    run = await play(steps)
    assert [call.known for call in steps.planned] == [False, False]
    assert run.handed_over_to == "billing"


async def test_back_again() -> None:
    """The agent that was asked may get it back: the run shows nobody else then."""
    back = pin("note").model_copy(update={"tools": [transfer("billing")], "first_turn": 3})
    steps = script(
        answer("", TO_BILLING),
        answer("", ("transfer_to_support", "{}")),
        answer("It is me."),
        handoffs={
            "1.0": taken("billing").model_copy(update={"tools": [transfer("support")]}),
            "2.0": back,
        },
    )
    run = await play(steps)
    assert run.handed_over_to is None
    ways = [(event.from_, event.to) for event in of(HandedOver, steps)]
    assert ways == [("support", "billing"), ("billing", "support")]
    assert [m.agent for m in run.messages or [] if m.agent] == ["support", "billing", "support"]
    assert [m.handed_over_to for m in run.messages or [] if m.role == "tool"] == [
        *("billing", "support")
    ]


async def test_a_circle_ends() -> None:
    """Agents that hand over to each other for ever stop at the run's turns, whoever has it."""
    circle: dict[str, HandoffOutcome] = {
        f"{turn}.0": taken("billing", turn=turn, limits={"max_turns": 3}).model_copy(
            update={"tools": [transfer("billing")]}
        )
        for turn in range(1, 9)
    }
    steps = script(*[answer("", TO_BILLING)] * 9, handoffs=circle)
    run = await play(steps)
    assert (run.status, run.incomplete_reason, run.turn) == ("incomplete", "max_turns", 3)


async def test_limits_go_on() -> None:
    """What was used counts against the limits of who speaks; what a person has raised stays."""
    first = desk().model_copy(update={"limits": Limits(max_turns=1), "on_limit": "approve"})
    steps = script(
        answer("", NOTE),
        answer("", TO_BILLING),
        answer("", ("book", "{}")),
        answer("never"),
        pinned=first,
        tools={"1.0": result("noted"), "3.0": result("booked")},
        decisions={
            "limit1": decided("limit1", "raise", limits=Limits(max_turns=3)).model_copy(
                update={"call_id": None, "approval_id": "limit1"}
            )
        },
        handoffs={"2.0": taken("billing", "book", turn=2, limits={"max_turns": 2})},
    )
    run = await play(steps)
    assert (run.status, run.incomplete_reason, run.turn) == ("incomplete", "max_turns", 3)
    assert run.handed_over_to == "billing"


async def test_a_limit_in_the_same_turn() -> None:
    """A run that stops there was handed over all the same: its conversation says so."""
    limited = desk().model_copy(update={"limits": Limits(max_turns=9, max_tool_calls=1)})
    steps = script(answer("", TO_BILLING, NOTE), pinned=limited)
    run = await play(steps)
    assert (run.status, run.incomplete_reason) == ("incomplete", "max_tool_calls")
    assert (run.handed_over_to, len(of(HandedOver, steps))) == ("billing", 1)


async def test_its_hooks() -> None:
    """The hooks of who has handed over look at that call, and at nothing after it."""
    old = [PinnedHook(point=point, name="old") for point in ("before_tool", "after_model")]
    new = [PinnedHook(point="after_model", name="new")]
    steps = script(
        answer("", TO_BILLING),
        answer("I am billing."),
        pinned=desk().model_copy(update={"hooks": old}),
        handoffs={"1.0": taken("billing", hooks=new)},
    )
    await play(steps)
    assert [call.hook.name for call in steps.hooked] == ["old", "old", "new"]
    refusing = HookRecord(at=after(3), verdict="refuse", text="Stay.")
    steps = script(
        answer("", TO_BILLING),
        answer("I stay."),
        pinned=desk().model_copy(update={"hooks": old[:1]}),
        hooks={"old": [refusing]},
    )
    run = await play(steps)
    assert (told(run), run.handed_over_to) == (["Stay."], None)


async def test_its_first_turn() -> None:
    """A choice of tools of its own holds in its first turn, as in a run's."""
    settings = ModelSettings(tool_choice="required")
    new = taken("billing", "book", model_settings=settings)
    steps = script(
        answer("", TO_BILLING),
        answer("", ("book", "{}")),
        answer("Done."),
        handoffs={"1.0": new},
        tools={"2.0": result("booked")},
    )
    await play(steps)
    assert [call.settings.tool_choice for call in steps.calls] == [None, "required", None]


async def test_a_server_that_is_away() -> None:
    """It is tried again, and the run says so, as when it begins."""
    away = PinFailure(
        at=after(4),
        error=RunError(type="tool-server-unavailable", message="No crm.", retryable=True),
        retry_for_s=10,
    )
    steps = script(answer("", TO_BILLING), answer("Then not."), handoffs={"1.0": away})
    run = await play(steps)
    assert steps.sleeps == [2.0, 4.0]
    assert told(run) == ["billing could not take over: No crm. Go on without."]
    waiting = [saved for saved in steps.keep.runs if saved.engine]
    assert [saved.engine.attempts for saved in waiting if saved.engine] == [1, 2]
    assert (run.engine, run.waiting) == (None, None)


@pytest.mark.parametrize("step", ["handoff 1.0", "tool 1.1"])
async def test_cancelled(step: str) -> None:
    """Nobody takes over a run that is cancelled; each call has its result."""
    steps = script(
        answer("", TO_BILLING, NOTE), tools={"1.1": result("noted")}, raising={step: Cancelled()}
    )
    run = await play(steps)
    assert (run.status, run.handed_over_to) == ("cancelled", None)
    assert told(run)[0] == "The run was stopped before another agent had taken over."
    assert not of(HandedOver, steps)
    assert_valid_for_a_model(run)


async def test_a_thread_that_remembers() -> None:
    """A run of a sticky agent begins with who took over, if that is still there."""
    first = taken("billing", "book").model_copy(update={"first_turn": None})
    steps = FakeSteps(model=[answer("Me again.")], speaker="billing", pinned=first)
    run = await play(steps, on_thread(sticky=True))
    assert steps.log.index("acquire_thread") < steps.log.index("find_speaker")
    assert (run.handed_over_to, steps.keep.runs[0].handed_over_to) == ("billing", "billing")
    assert [event.agent for event in of(RunStarted, steps)] == ["billing"]
    assert [message.agent for message in run.messages or []] == [None, "billing"]


@pytest.mark.parametrize(
    "ordered", [order(), on_thread(), on_thread(sticky=True, history="replace")]
)
async def test_threads_that_are_not_asked(ordered: Any) -> None:
    """Other runs ask for nothing, so that they journal what they always did."""
    steps = FakeSteps(model=[answer("Hello.")])
    await play(steps, ordered)
    assert "find_speaker" not in steps.log
    [started] = of(RunStarted, steps)
    assert started.model_dump(exclude_none=True).keys() == {"run_id", "seq", "at", "type"}
