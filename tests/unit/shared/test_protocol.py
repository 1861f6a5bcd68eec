"""What the HTTP interface takes and gives."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from outlast.events import ANY_EVENT, TERMINAL_EVENTS, terminal_event
from outlast.protocol import (
    AMONG_PROCESSES,
    ENDED,
    NOTHING_USED,
    Approval,
    Decision,
    InputMessage,
    Message,
    Run,
    StartRun,
    Usage,
    from_client,
    preview_of,
)

IMAGE = {"type": "image", "url": "https://x/y.png"}


@pytest.mark.parametrize(
    "body",
    [
        {"input": "Hi."},
        {"input": "", "thread_id": "a.b:c_d-1", "on_busy": "enqueue"},
        {"input": [{"role": "user", "content": "Hi."}]},
        {"input": [{"role": "user", "content": [{"type": "text", "text": "See:"}, IMAGE]}]},
        {
            "input": [
                {"role": "user", "content": "Hi."},
                {"role": "assistant", "content": "Hello."},
                {"role": "user", "content": "Bye."},
            ]
        },
        {"input": "Hi.", "context": {"a": [1, {"b": None}]}, "metadata": {"a": "b"}},
        {"input": "Hi.", "limits": {"max_turns": 1}, "after_s": 0.5, "stream": True},
        {"input": "Hi.", "thread_id": "x" * 128},
        {"input": "Hi.", "instructions": "More.", "options": {"temperature": 0}},
        {"input": "Hi.", "tool_choice": "required"},
        {"input": "Hi.", "thread_id": "t", "history": "replace", "after_s": 1},
        {"input": "Hi.", "thread_id": "t", "after_run": "none"},
        {"input": "Hi.", "limits": {"max_tool_calls": 1, "max_tokens": 1, "max_cost_usd": 1}},
        {"input": "Hi.", "limits": {"max_duration_s": 0.5}},
        {"input": "Hi.", "tool_choice": "refund"},
        {"input": "Hi.", "origin": {"protocol": "openai", "request": {"a": [1]}}},
    ],
)
def test_bodies(body: dict[str, Any]) -> None:
    """These start a run."""
    assert StartRun.model_validate(body)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"input": None}, "input.str"),
        ({"input": []}, "input.list[InputMessage]"),
        ({"input": [{"role": "system", "content": "x"}]}, "input.list[InputMessage].0.role"),
        ({"input": [{"role": "user", "content": "x", "id": 1}]}, "input.list[InputMessage].0.id"),
        (
            {"input": [{"role": "user", "content": [{"type": "audio"}]}]},
            "input.list[InputMessage].0.content.list[tagged-union[TextPart,ImagePart,FilePart]].0",
        ),
        ({"inptu": "x"}, "inptu"),
        ({"thread_id": ""}, "thread_id"),
        ({"thread_id": "a b"}, "thread_id"),
        ({"thread_id": "a/b"}, "thread_id"),
        ({"thread_id": "a\n"}, "thread_id"),
        ({"thread_id": "x" * 129}, "thread_id"),
        ({"thread_id": "t", "on_busy": "panic"}, "on_busy"),
        ({"after_s": -1}, "after_s"),
        ({"after_s": 366 * 24 * 3600}, "after_s"),
        ({"after_s": float("nan")}, "after_s"),
        ({"limits": {"max_turns": 0}}, "limits.max_turns"),
        ({"limits": {"max_turns": 1001}}, "limits.max_turns"),
        ({"limits": {"max_truns": 1}}, "limits.max_truns"),
        ({"limits": {"max_tool_calls": 0}}, "limits.max_tool_calls"),
        ({"limits": {"max_tokens": 1.5}}, "limits.max_tokens"),
        ({"limits": {"max_cost_usd": 0}}, "limits.max_cost_usd"),
        ({"limits": {"max_cost_usd": True}}, "limits.max_cost_usd"),
        ({"limits": {"max_duration_s": float("inf")}}, "limits.max_duration_s"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"context": [1]}, "context"),
        ({"stream": "perhaps"}, "stream"),
        ({"instructions": " \n"}, "instructions"),
        ({"instructions": "x" * 100_001}, "instructions"),
        ({"options": {"temperature": 2.1}}, "options.temperature"),
        ({"options": {"temperature": True}}, "options.temperature"),
        ({"options": {"max_output_tokens": 0}}, "options.max_output_tokens"),
        ({"options": {"seed": 1}}, "options.seed"),
        ({"options": {"reasoning_effort": "a lot"}}, "options.reasoning_effort"),
        ({"tool_choice": ""}, "tool_choice"),
        ({"history": "replace"}, "history"),
        ({"after_run": "none"}, "after_run"),
        ({"thread_id": "t", "history": "replace", "on_busy": "steer"}, "history"),
        ({"thread_id": "t", "after_run": "none", "after_s": 1}, "after_s"),
        ({"tool_choice": {"name": "refund"}}, "tool_choice"),
        ({"origin": {"request": {}}}, "origin.protocol"),
        ({"origin": {"protocol": "x", "request": {"a": "x" * 33_000}}}, "origin"),
    ],
    ids=str,
)
def test_invalid_bodies(changes: dict[str, Any], field: str) -> None:
    """These don't, and the error names the field."""
    with pytest.raises(ValidationError) as raised:
        from_client(StartRun, {"input": "Hi.", **changes})
    assert field in [".".join(map(str, fault["loc"])) for fault in raised.value.errors()]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"input": "Hi.", "on_busy": "enqueue"}, "on_busy needs a thread_id"),
        ({"input": [{"role": "assistant", "content": "Hi."}]}, "must have the role user"),
    ],
)
def test_bodies_that_contradict_themselves(body: dict[str, Any], message: str) -> None:
    """Fields that are fine one by one may not fit each other."""
    with pytest.raises(ValidationError, match=message):
        StartRun.model_validate(body)


def test_wire_models_are_frozen() -> None:
    """What came over the wire is not changed."""
    with pytest.raises(ValidationError):
        StartRun(input="Hi.").input = "Bye."  # pyright: ignore[reportAttributeAccessIssue]


def test_times_are_utc() -> None:
    """A time of any zone is given in UTC."""
    there = datetime(2026, 1, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    run = Run(run_id="a", agent="b", status="queued", created_at=there)
    assert run.created_at == there
    assert '"created_at":"2026-01-01T12:00:00Z"' in run.model_dump_json()


# Usage.


def test_usage_adds_up() -> None:
    """Every count is added."""
    one = Usage(
        input_tokens=1,
        output_tokens=2,
        cached_tokens=3,
        reasoning_tokens=4,
        model_calls=5,
        tool_calls=6,
        cost_usd=0.5,
    )
    double = {name: 2 * value for name, value in one.model_dump().items()}
    assert (one + one).model_dump() == double
    assert NOTHING_USED + one == one
    assert (Usage() + one).cost_usd is None


@pytest.mark.parametrize(
    ("first", "second", "total"),
    [(0.25, 0.5, 0.75), (None, 0.5, None), (0.5, None, None), (None, None, None), (0.0, 0.0, 0.0)],
)
def test_unknown_cost(first: float | None, second: float | None, total: float | None) -> None:
    """With one price unknown the sum is unknown, never too low."""
    assert (Usage(cost_usd=first) + Usage(cost_usd=second)).cost_usd == total


# Events.


@pytest.mark.parametrize("status", sorted(ENDED))
def test_terminal_events(status: Any) -> None:
    """Each way to end has its event, with the run but not its messages."""
    message = Message(
        id="1", role="user", content="x", run_id="a", created_at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    run = Run(run_id="a", agent="b", status=status, messages=[message])
    event = terminal_event(run, 7)
    assert (event.type, event.seq, event.run_id) == (f"run.{status}", 7, "a")
    assert event.run.messages is None
    assert ANY_EVENT.validate_json(ANY_EVENT.dump_json(event)) == event
    assert run.ended


def test_ends() -> None:
    """Every status that ends a run has an event, and no other one has."""
    assert set(TERMINAL_EVENTS) == ENDED
    assert not Run(run_id="a", agent="b", status="paused").ended


@pytest.mark.parametrize(
    ("content", "preview"),
    [
        ("Refund  A-1001,\nplease. ", "Refund A-1001, please."),
        ("ä" * 5000, "ä" * 200),
        (" " * 5000, None),
        (
            [IMAGE, {"type": "text", "text": "What"}, {"type": "text", "text": "is it?"}],
            "What is it?",
        ),
        ([IMAGE], None),
    ],
)
def test_preview(content: Any, preview: str | None) -> None:
    """An input's preview is the beginning of its last message's text, on one line."""
    earlier = InputMessage(role="assistant", content="Yes?")
    said = InputMessage.model_validate({"role": "user", "content": content})
    assert preview_of([earlier, said]) == preview


@pytest.mark.parametrize(
    ("decision", "message"),
    [
        ({"action": "complete"}, "complete needs output"),
        ({"action": "raise"}, "raise needs limits"),
        ({"action": "answer"}, "answer needs content"),
        ({"action": "retry", "output": "x"}, "output goes with complete"),
        ({"action": "reject", "arguments": {}}, "arguments go"),
        ({"action": "approve", "limits": {}}, "limits go"),
        ({"action": "stop", "content": 1}, "content goes with answer"),
        ({"action": "maybe"}, "Input should be"),
    ],
)
def test_decisions_that_contradict_themselves(decision: dict[str, Any], message: str) -> None:
    """What goes with another action, or lacks what its own needs, is refused with the reason."""
    with pytest.raises(ValidationError, match=message):
        from_client(Decision, decision)


def test_an_approval_of_no_call() -> None:
    """Clients see that a limit is about no call; older processes find the text that they need."""
    approval = Approval(
        call_id="limit1",
        name="max_turns",
        arguments={},
        reason="limit",
        requested_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    shown = approval.model_dump(mode="json")
    assert (shown["call_id"], shown["approval_id"]) == (None, "limit1")
    assert Approval.model_validate(shown).id == approval.id == "limit1"
    kept = approval.model_dump(mode="json", exclude_none=True, context=AMONG_PROCESSES)
    assert kept["call_id"] == "limit1"
