"""Runs as protocols have to tell them: each is what happened, live and committed, in order."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from fakes.records import NOON
from fakes.telling import Story
from fakes.watching import REF, RUN_ID
from outlast.events import ModelFallback, OutputRejected, ReadEvent, RunWaiting
from outlast.live import Delta, LiveItem, Progress, Reset, write_line
from outlast.names import RunRef
from outlast.protocol import Approval, Awaited, Resolution, RunError
from outlast_app.facades.called import CalledApproval, CalledRuns
from outlast_app.facades.ids import key_of
from outlast_app.facades.items import Committed, Item, TextRule
from outlast_app.facades.positions import Mark
from outlast_app.runs.feed import ShownEvent

Happened = list[LiveItem | ReadEvent]

SCOUT, HELPER, DEPUTY = (f"{name}.{'c' * 26}" for name in ("scout", "helper", "deputy"))
PAYS = Awaited(run_id=SCOUT, id="1.0")
REFUSED = Awaited(run_id=SCOUT, id="2.0")
DROPPED = Awaited(run_id=SCOUT, id="3.0")
DOUBTS = Awaited(run_id=SCOUT, id="1.1.doubt1")
BELOW = Awaited(run_id=DEPUTY, id="1.0")


def _kept(asked: Awaited, name: str, action: Any = None, **fields: Any) -> dict[str, Approval]:
    call_id = asked.id[:3]
    ended = action and Resolution(call_id=call_id, approval_id=asked.id, action=action, at=NOON)
    approval = Approval(
        call_id=call_id,
        approval_id=asked.id,
        name=name,
        arguments={"to": "ann"},
        requested_at=NOON,
        resolution=ended,
        **fields,
    )
    return {key_of(asked.id, asked.run_id): approval}


KEPT: Mapping[str, Approval] = {
    **_kept(PAYS, "pay", "approve"),
    **_kept(REFUSED, "send", "reject"),
    **_kept(DROPPED, "pay"),
    **_kept(DOUBTS, "ship", "retry", reason="in_doubt", question="Has it been shipped?"),
    **_kept(BELOW, "pay", "expired"),
}
"""What called runs keep of what they have asked people, by its keys."""


def said(turn: int, *pieces: str, attempt: int = 0) -> Happened:
    """Return a model call that streams these."""
    deltas = [Delta("text", turn, attempt, n, piece) for n, piece in enumerate(pieces)]
    return [Reset(turn, attempt), *deltas]


def _live_before(story: Story, live: Mapping[int, Happened]) -> Happened:
    """Put what was streamed in a turn before its message."""
    happened: Happened = []
    for event in story.events:
        if event.type == "message.completed":
            happened += live.get(event.turn, [])
        happened.append(event)
    return happened


def plain() -> Happened:
    story = Story().started().turn(1, "Hello you.").ends(output="Hello you.")
    return _live_before(story, {1: said(1, "Hello", " you.")})


def queued() -> Happened:
    return list(Story().started(queued=True).turn(1, "Later.").ends(output="Later.").events)


def long_text() -> Happened:
    text = "A line of words, and another one. " * 20
    return list(Story().started().turn(1, text).ends(output=text).events)


def tools() -> Happened:
    story = Story().started().turn(1, "Let me look.", "find", "count", of="lamp")
    story.begun("1.0", "find", of="lamp").begun("1.1", "count", of="lamp")
    story.done("1.1", "count", "3").done("1.0", "find", "No such lamp.", is_error=True)
    story.turn(2, "There are 3.").ends(output="There are 3.")
    happened = _live_before(story, {1: said(1, "Let me", " look."), 2: said(2, "There are 3.")})
    place = next(i for i, e in enumerate(happened) if e.type == "tool_call.completed")
    return [*happened[:place], Progress("1.1", 1, 2, "half"), *happened[place:]]


def approved() -> Happened:
    story = Story().started().turn(1, "", "pay", cents=5).asked("1.0", "pay", cents=5).waits()
    story.decided("1.0", "approve", arguments={"cents": 4}).begun("1.0", "pay", cents=4)
    return list(story.done("1.0", "pay", "paid 4").turn(2, "Paid.").ends(output="Paid.").events)


def rejected() -> Happened:
    story = Story().started().turn(1, "", "pay", cents=5).asked("1.0", "pay", cents=5).waits()
    story.decided("1.0", "reject", reason="too much")
    story.done("1.0", "pay", "rejected: too much", is_error=True).turn(2, "Not paid.")
    return list(story.ends(output="Not paid.").events)


def clients_tools() -> Happened:
    story = Story().started().turn(1, "Where?", "locate", "note", "locate", of="ann")
    story.requested("1.0", "locate", of="ann").begun("1.1", "note", of="ann")
    story.requested("1.2", "locate", of="bob").done("1.1", "note", "noted").waits()
    story.done("1.2", "locate", "Rome").waits().done("1.0", "locate", "Berlin")
    return list(story.turn(2, "Far apart.").ends(output="Far apart.").events)


def both_wait() -> Happened:
    story = Story().started().turn(1, "", "pay", "locate", of="ann").asked("1.0", "pay", of="ann")
    story.requested("1.1", "locate", of="ann").waits().decided("1.0", "approve")
    story.begun("1.0", "pay", of="ann").done("1.0", "pay").waits().done("1.1", "locate", "Berlin")
    return list(story.turn(2, "Done.").ends(output="Done.").events)


def waits_for_others() -> Happened:
    story = Story().started().turn(1, "", "ship").begun("1.0", "ship").waits("signal")
    return list(story.done("1.0", "ship", "sent").turn(2, "Sent.").ends(output="Sent.").events)


def steered() -> Happened:
    story = Story().started().turn(1, "One.").steered("And two?").turn(2, "Two.")
    return list(story.ends(output="Two.").events)


def retold() -> Happened:
    """Say something else after a crash."""
    story = Story().started().turn(1, "Good morning to you.").ends(output="Good morning to you.")
    live = [*said(1, "Hello", " you"), *said(1, "Good morn", "ing to you.", attempt=1)]
    return _live_before(story, {1: live})


def repeated() -> Happened:
    """Say the same after a crash."""
    story = Story().started().turn(1, "Hello you.").ends(output="Hello you.")
    return _live_before(story, {1: [*said(1, "Hello"), *said(1, "Hel", "lo you.", attempt=1)]})


def fallback() -> Happened:
    story = Story().started()
    error = RunError(type="model-unavailable", message="It is away.", retryable=True)
    story.add(ModelFallback, turn=1, model="b", instead_of="a", error=error)
    return list(story.turn(1, "Hi.").ends(output="Hi.").events)


def answer_rejected() -> Happened:
    """Answer what does not fit the schema, then what does."""
    story = Story().started().turn(1, "Red.")
    story.steered("Not JSON.")
    said_to_model = story.events.pop().message  # pyright: ignore[reportAttributeAccessIssue]
    story.add(OutputRejected, turn=1, faults=["not JSON"], message=said_to_model)
    text = '{"colour": "red"}'
    return list(story.turn(2, text).ends(output={"colour": "red"}).events)


def cancelled() -> Happened:
    story = Story().started().turn(1, "Once upon", finish_reason="cancelled").ends("cancelled")
    return _live_before(story, {1: said(1, "Once", " upon a")})


def failed() -> Happened:
    return list(Story().started().ends("failed", error="model-unavailable").events)


def refused() -> Happened:
    return list(Story().started().ends("failed", error="content-policy").events)


def killed() -> Happened:
    story = Story().started().turn(1, "", "note").begun("1.0", "note")
    story.ends("failed", error="killed")
    happened: Happened = list(story.events)
    return [*happened[:-1], *said(2, "Half an"), happened[-1]]


def too_long() -> Happened:
    story = Story().started().turn(1, "Once upon", finish_reason="length")
    return list(story.ends("incomplete", incomplete_reason="output_length").events)


def too_many_turns() -> Happened:
    story = Story().started().turn(1, "", "note").begun("1.0", "note").done("1.0", "note")
    return list(story.ends("incomplete", incomplete_reason="max_turns").events)


def called() -> Happened:
    """Call an agent, which asks, and whose call then runs."""
    story = Story().started().turn(1, "I ask.", "scout", of="ann").calls("1.0", SCOUT)
    story.waits("", PAYS).done("1.0", "scout", "Paid.").turn(2, "Paid.")
    return list(story.ends(output="Paid.").events)


def called_refused() -> Happened:
    story = Story().started().turn(1, "", "scout").calls("1.0", SCOUT).waits("", REFUSED)
    return list(story.done("1.0", "scout", "No.").turn(2, "No.").ends(output="No.").events)


def called_in_vain() -> Happened:
    """Be cancelled while a called run asks."""
    story = Story().started().turn(1, "", "scout").calls("1.0", SCOUT).waits("", DROPPED)
    return list(story.done("1.0", "scout", "cancelled", is_error=True).ends("cancelled").events)


def called_together() -> Happened:
    """Wait for two called runs, one below them and an own approval, which end one by one."""
    story = Story().started().turn(1, "", "scout", "pay", "helper")
    story.calls("1.0", SCOUT).asked("1.1", "pay", cents=5).calls("1.2", HELPER)
    story.waits("", PAYS, DOUBTS, BELOW).decided("1.1", "approve").begun("1.1", "pay", cents=5)
    story.done("1.1", "pay", "paid 5").waits("", PAYS, DOUBTS, BELOW)
    # The scout was decided on, and asks again at once.
    story.waits("", REFUSED, DOUBTS, BELOW).done("1.0", "scout", "No.").waits("", BELOW)
    story.done("1.2", "helper", "Helped.").turn(2, "Done.")
    return list(story.ends(output="Done.").events)


def said_nothing() -> Happened:
    return list(Story().started().turn(1, "").ends(output="").events)


SCENARIOS: Mapping[str, Callable[[], Happened]] = {
    each.__name__: each
    for each in (
        plain,
        queued,
        long_text,
        tools,
        approved,
        rejected,
        clients_tools,
        both_wait,
        waits_for_others,
        steered,
        retold,
        repeated,
        fallback,
        answer_rejected,
        cancelled,
        failed,
        refused,
        killed,
        too_long,
        too_many_turns,
        said_nothing,
        called,
        called_refused,
        called_in_vain,
        called_together,
    )
}


def shown(happened: Iterable[LiveItem | ReadEvent]) -> Iterator[ShownEvent]:
    """Yield it as the app shows it to followers."""
    for each in happened:
        if isinstance(each, tuple):
            yield ShownEvent(each.type, write_line(RUN_ID, each))
        else:
            yield ShownEvent.of(each)


def items_of(
    happened: Iterable[LiveItem | ReadEvent],
    mark: Mark | None = None,
    kept: Mapping[str, Approval] = KEPT,
    *,
    decided: bool = False,
) -> Iterator[Item]:
    """Yield what encoders are fed of it."""
    yield from items_of_shown(shown(happened), mark, kept, decided=decided)


def items_of_shown(
    events: Iterable[ShownEvent],
    mark: Mark | None = None,
    kept: Mapping[str, Approval] = KEPT,
    *,
    decided: bool = False,
) -> Iterator[Item]:
    """Yield what encoders are fed, with what called runs keep of what they have asked.

    With `decided` that is read late: somebody had decided before.
    """
    rule, called = TextRule(mark), CalledRuns(REF.tenant, _unread, _unread)
    for each in events:
        for item in rule.take(each):
            yield (
                with_kept(item, called, kept, decided=decided)
                if isinstance(item, Committed)
                else item
            )


def with_kept(
    item: Committed, called: CalledRuns, kept: Mapping[str, Approval], *, decided: bool = False
) -> Committed:
    """Return an item with what was kept by those who asked, as a reader finds it at that time."""
    return Committed(
        item.event,
        tuple(
            CalledApproval(
                each.run_id, each.id, is_open, _then(kept, each, decided=not is_open or decided)
            )
            for each, is_open in called.take(item.event)
        ),
    )


def _then(kept: Mapping[str, Approval], asked: Awaited, *, decided: bool) -> Approval | None:
    found = kept.get(key_of(asked.id, asked.run_id))
    return found if decided or found is None else found.model_copy(update={"resolution": None})


async def _unread(_ref: RunRef) -> Sequence[Approval]:
    raise NotImplementedError


def segments_of(happened: Iterable[LiveItem | ReadEvent]) -> list[int]:
    """Return the run's segments as its own events count them, the last one included."""
    waits = [each.segment for each in happened if isinstance(each, RunWaiting)]
    return [1, *(segment + 1 for segment in waits)]
