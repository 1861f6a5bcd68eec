"""What a list of messages comes to: a new run, the one that was started already, or another try.

The protocol's client sends all of its conversation each time, and runs again what broke off. The
last message that the list and the thread both have says how far they agree: what the list has after
it is new, and what the thread has after it was taken back.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from outlast.contract import ThreadHolder
from outlast.errors import (
    IdempotencyConflict,
    InvalidRequest,
    ThreadBusy,
    ThreadMoved,
    UnknownRun,
)
from outlast.names import RunRef
from outlast.protocol import InputMessage, Message, Run
from outlast_app.facades.ag_ui.sent import Sent, is_context
from outlast_app.facades.ag_ui.told import Told, tell_again
from outlast_app.facades.conversations import (
    instead,
    is_last_asked,
    is_same,
    next_asked,
    place_of,
    read_back,
    run_asked,
    with_open,
)
from outlast_app.facades.ids import message_id_of, read_asked, read_name
from outlast_app.facades.starting import Start, read_started, start

if TYPE_CHECKING:
    from outlast_app.facades.ag_ui.sent import Said

_TO_BE_TRIED_AGAIN = frozenset({"failed", "cancelled"})


async def begin(sent: Sent, holder: ThreadHolder | None, run: Run | None) -> Told:
    """Start a run, or find the one that was started.

    Args:
        sent: The request.
        holder: Who holds the thread; None if there is no such thread.
        run: The run that holds it, if it is of this agent and goes on.

    Raises:
        InvalidRequest: There is nothing to begin with.
        ThreadBusy: What was said before is another thing now, while a run goes on.
        ThreadMoved: Somebody else has said something meanwhile.
        MissingRight: It is a run that another key has started, and this one may not read.
    """
    if sent.new is None:
        return await _tell_last(sent, run)
    if holder is None:
        return await _start_new(sent, sent.start(sent.inputs(sent.said)))
    if run and _was_said_to(sent, run):
        return await tell_again(sent, run)
    return await _compare(sent, holder, run)


async def _tell_last(sent: Sent, run: Run | None) -> Told:
    """Tell the run that goes on, or the one whose answer ends the list: nothing new is said."""
    if run is None and sent.said:
        ref = _run_named(sent, sent.said[-1].id)
        if ref and ref.agent == sent.agent.name:
            with suppress(UnknownRun):
                run = await sent.asked.deps.reader.read(ref)
    if run is None or run.thread_id != sent.thread.thread_id:
        wrong = "the last message has to be a user's: no run goes on, or has just ended, with these"
        raise InvalidRequest.at(("body.messages", wrong))
    return await tell_again(sent, run)


def _run_named(sent: Sent, message_id: str) -> RunRef | None:
    """Return the run that a message of the list comes from."""
    tenant = sent.asked.tenant
    name = read_name(tenant, message_id, "msg", count=1) or read_asked(tenant, message_id, "tool")
    return name.ref if name else None


def _was_said_to(sent: Sent, run: Run) -> bool:
    """Tell whether what the user says was said to a run that goes on.

    Raises:
        ThreadBusy: It was, and is another thing now.
    """
    messages = run.messages or []
    new = sent.input(sent.users[-1])
    place = place_of(messages, new.id)
    if place is None or not is_last_asked(messages, place):
        return False
    if not is_same(messages[place].content, new.content):
        raise _busy(run.run_id)
    return True


async def _compare(sent: Sent, holder: ThreadHolder, run: Run | None) -> Told:
    ids = {message_id_of(each.id) for each in sent.users}
    closed = await read_back(sent.asked, sent.thread, ids)
    had = with_open(closed, run) if run else closed
    if not had:
        return await _start_new(sent, sent.start(sent.inputs(sent.said)))
    found = _last_known(sent, had)
    if found is None:
        return await _replace(sent, holder, [], sent.start(sent.inputs(sent.said)))
    index, place = found
    known = sent.users[index]
    if not is_same(had[place].content, sent.input(known).content):
        return await _replace_from(sent, holder, index)
    if known is sent.new:
        return await _repeat(sent, holder, had, place)
    new = sent.inputs(_after(sent, index))
    is_at_end = is_last_asked(had, place) or (place < len(closed) and is_last_asked(closed, place))
    if is_at_end:
        last = closed[-1].id if closed else None
        return await _start_new(sent, sent.start(new, had), last)
    return await _replace_after(sent, holder, index, new)


def _last_known(sent: Sent, had: Sequence[Message]) -> tuple[int, int] | None:
    """Return the last of the user's messages that the thread has, and where it is there."""
    for index in range(len(sent.users) - 1, -1, -1):
        place = place_of(had, message_id_of(sent.users[index].id))
        if place is not None:
            return index, place
    return None


def _after(sent: Sent, index: int) -> "Sequence[Said]":
    """Return what comes after one of the user's messages and what was answered to it.

    What the user had said beside is among the answers, and has another id in the thread.
    """
    new = sent.since(sent.users[index + 1])
    ours = (n for n, each in enumerate(new) if _run_named(sent, each.id))
    return new[max(ours, default=-1) + 1 :]


async def _repeat(sent: Sent, holder: ThreadHolder, had: Sequence[Message], place: int) -> Told:
    """Tell what the same request has come to before; another one asks for another answer."""
    ref = RunRef(sent.asked.tenant, run_asked(had, place))
    if ref.agent == sent.agent.name:
        with suppress(UnknownRun):
            run = await sent.asked.deps.reader.read(ref)
            if sent.is_of(run):
                return await tell_again(sent, run)
    return await _replace_from(sent, holder, len(sent.users) - 1)


async def _replace_from(sent: Sent, holder: ThreadHolder, index: int) -> Told:
    """Say one of the user's messages, and what follows it, in the place of what was said then."""
    had = await read_back(sent.asked, sent.thread)
    place = place_of(had, message_id_of(sent.users[index].id))
    if place is None:
        raise _moved(holder)
    kept = _without_context(had[:place])
    wanted = sent.start(sent.inputs(sent.since(sent.users[index])), kept)
    # It comes late: another answer has taken the place of the one that it has begun.
    with suppress(UnknownRun):
        key = _key_after(sent, wanted, kept[-1].id if kept else None)
        if key and sent.is_of(run := await read_started(sent.asked, sent.agent, key)):
            return await tell_again(sent, run)
    return await _replace(sent, holder, kept, wanted)


async def _replace_after(
    sent: Sent, holder: ThreadHolder, index: int, new: Sequence[InputMessage]
) -> Told:
    """Say something new in the place of all but what one of the user's messages was answered."""
    had = await read_back(sent.asked, sent.thread)
    place = place_of(had, message_id_of(sent.users[index].id))
    if place is None:
        raise _moved(holder)
    kept = _without_context(had[: next_asked(had, place)])
    return await _replace(sent, holder, kept, sent.start(new, kept))


def _without_context(kept: Sequence[Message]) -> Sequence[Message]:
    """Leave out what a request that is replaced has said of its page."""
    end = len(kept)
    while end and is_context(kept[end - 1]):
        end -= 1
    return kept[:end]


async def _replace(
    sent: Sent, holder: ThreadHolder, kept: Sequence[Message], wanted: Start
) -> Told:
    """Start a run that goes on after what is kept."""
    wanted = instead(sent.asked, wanted, kept, holder)
    wanted = replace(wanted, key=sent.key("instead", sent.body.run_id))
    try:
        return await _start(sent, wanted)
    except ThreadBusy as problem:
        raise _busy(problem.extra.get("run_id")) from None
    except ThreadMoved:
        raise _moved(holder) from None


async def _start_new(sent: Sent, wanted: Start, after: str | None = None) -> Told:
    """Start a run with what is new: said twice it is one run, unless that has failed."""
    return await _start(sent, replace(wanted, key=_key_after(sent, wanted, after)))


def _key_after(sent: Sent, wanted: Start, after: str | None) -> str | None:
    """Name what is said after a thread's last message."""
    said = [message.model_dump(exclude_none=True) for message in wanted.messages]
    return sent.key(after, said)


async def _start(sent: Sent, wanted: Start) -> Told:
    while True:
        try:
            run = await start(sent.asked, wanted)
        except IdempotencyConflict:
            if wanted.key is None:  # the client's own key, for something else
                raise
        else:
            return Told(sent.ref_of(run))
        run = await read_started(sent.asked, sent.agent, wanted.key)
        if sent.is_of(run) or run.status not in _TO_BE_TRIED_AGAIN:
            return await tell_again(sent, run)
        wanted = replace(wanted, key=f"{wanted.key} {run.run_id}")


def _busy(run_id: str | None) -> ThreadBusy:
    return ThreadBusy(
        f"The run {run_id} goes on in this thread. Stop it, or wait for its end, before you edit "
        "what was said, or ask for another answer.",
        extra={"run_id": run_id},
    )


def _moved(holder: ThreadHolder) -> ThreadMoved:
    return ThreadMoved(
        "Somebody has said something else in this thread since. Load it anew before you edit what "
        "was said, or ask for another answer.",
        extra={"run_id": holder.last_run},
    )
