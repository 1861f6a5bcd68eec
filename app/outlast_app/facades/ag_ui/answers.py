"""What ends a wait: entries of `resume`, which decide, and tool messages, which have results.

A run that waits for a person goes on when all that it asks for is decided, and not by anything else
that is said: a request that leaves something open is asked again, and nothing of it is done.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from outlast.contract import ThreadHolder
from outlast.errors import InvalidRequest, UnknownRun
from outlast.names import RunRef
from outlast.protocol import InputMessage, Run
from outlast_app.facades.ag_ui.messages import output_of
from outlast_app.facades.ag_ui.sent import Sent
from outlast_app.facades.ag_ui.told import Told, tell_again
from outlast_app.facades.answering import (
    Answer,
    Output,
    Verdict,
    continue_run,
    open_calls,
    open_decisions,
)
from outlast_app.facades.conversations import is_same
from outlast_app.facades.ids import (
    Named,
    message_id_of,
    name_of_asked,
    read_asked,
    read_name,
)
from outlast_app.facades.reader import committed
from outlast_app.facades.segments import RunLog, segment_after

if TYPE_CHECKING:
    from ag_ui.core import ResumeEntry, ToolMessage, UserMessage

_CANCELLED = "Cancelled by the user."
_DOES_NOT_FIT = (
    "The answer did not fit: it is an object with `approved`, true or false, and may have `reason` "
    "and `editedArgs`. It counts as a refusal."
)


async def go_on(sent: Sent, holder: ThreadHolder | None) -> Told | Run | None:
    """Give a run what it waits for.

    Returns:
        What is told then. If the request has no answers: the run that holds the thread, if it is
        of this agent and goes on.

    Raises:
        InvalidRequest: The answers are for another conversation, or for several runs.
        AlreadyDecided: Another decision counts.
        AlreadyAnswered: Another result counts.
        MissingRight: The key may not decide, or not read.
    """
    decided, unknown = _decided(sent)
    results = _results(sent)
    named = {name.ref for name, _ in [*decided, *results]}
    if len(named) > 1:
        raise InvalidRequest.at(("body.resume", "the answers are for several runs"))
    run = await _read(sent, next(iter(named), None))
    if run is not None:
        if run.thread_id != sent.thread.thread_id:
            wrong = f"the run {run.run_id} is of another thread"
            raise InvalidRequest.at(("body.threadId", wrong))
        answers = _once([*_verdicts(decided), *_outputs(sent, run, results)])
        if found := await _answer(sent, run, answers, [*map(_ignored, unknown)]):
            return found
    # What is for no run, or for one that has ended, says nothing to the one that goes on.
    held = await _read(sent, _held(sent, holder))
    if held is None:
        return None
    late = [*unknown, *(entry.interrupt_id for _, entry in decided)]
    return await _answer(sent, held, [], [*map(_ignored, late)])


async def _answer(
    sent: Sent, run: Run, answers: Sequence[Answer], warnings: Sequence[str]
) -> Told | Run | None:
    said = _said_beside(sent, run)
    decisions = await open_decisions(sent.asked, run)
    still_open = decisions | open_calls(run)
    mine = [each for each in answers if each.answers_to in still_open]
    is_repeated = bool(answers) and not mine and _has_heard(run, said)
    missing = decisions - {each.answers_to for each in mine}
    if not is_repeated and (missing or (still_open and not mine)):
        is_heard = not answers and not said
        left = sorted(missing or still_open)
        unheard = [] if is_heard else [_missing(run, left)]
        return await tell_again(sent, run, [*warnings, *unheard])
    if mine:
        sent.check_may_watch(run)
        segment, _ = await _segment_after(sent, run, mine)
        await continue_run(sent.asked, sent.ref_of(run), mine, said)
        # What came of those that others have given meanwhile it has not heard of.
        return Told(
            sent.ref_of(run),
            segment,
            segment,
            comes_again=len(mine) < len(answers),
            answered=frozenset(each.answers_to for each in mine),
            warnings=warnings,
        )
    if is_repeated:
        # The same once more, as after a connection that broke: it is told what came of it.
        sent.check_may_watch(run)
        verdicts = [each for each in answers if isinstance(each, Verdict)]
        await continue_run(sent.asked, sent.ref_of(run), verdicts)
        segment, last = await _segment_after(sent, run, answers)
        ref = sent.ref_of(run)
        return Told(ref, segment, last, comes_again=True, warnings=warnings)
    return None if run.ended else run


def _decided(sent: Sent) -> "tuple[list[tuple[Named, ResumeEntry]], list[str]]":
    """Return the entries that name calls of this agent's runs, and the ids of the others."""
    known: list[tuple[Named, ResumeEntry]] = []
    unknown: list[str] = []
    for entry in sent.body.resume or ():
        name = read_asked(sent.asked.tenant, entry.interrupt_id, "call")
        if name and name.ref.agent == sent.agent.name:
            known.append((name, entry))
        else:
            unknown.append(entry.interrupt_id)
    return known, unknown


def _results(sent: Sent) -> "list[tuple[Named, ToolMessage]]":
    """Return the results of this agent's calls that come after the last answer in the list."""
    found: list[tuple[Named, ToolMessage]] = []
    for message in reversed(sent.said):
        if message.role == "assistant":
            break
        if message.role != "tool":
            continue
        name = read_name(sent.asked.tenant, message.tool_call_id, "call", count=2)
        # What a run was told of its own tools comes back as well.
        is_ours = read_asked(sent.asked.tenant, message.id, "tool")
        if name and not is_ours and name.ref.agent == sent.agent.name:
            found.insert(0, (name, message))
    return found


def _verdicts(decided: "Sequence[tuple[Named, ResumeEntry]]") -> Iterator[Verdict]:
    for name, entry in decided:
        if entry.status == "cancelled":
            yield Verdict(name.call_id, approved=False, reason=_CANCELLED, below=name.below)
        else:
            yield _verdict(name, entry.payload)


def _verdict(name: Named, payload: Any) -> Verdict:
    """Return what a person decided: nothing but what the schema asks for approves."""
    given = cast("dict[str, Any]", payload) if isinstance(payload, dict) else {}
    reason, edited = given.get("reason"), given.get("editedArgs")
    fits = (
        isinstance(given.get("approved"), bool)
        and (reason is None or isinstance(reason, str))
        and (edited is None or isinstance(edited, dict))
    )
    if not fits:
        return Verdict(name.call_id, approved=False, reason=_DOES_NOT_FIT, below=name.below)
    arguments = cast("dict[str, Any] | None", edited) if given["approved"] else None
    return Verdict(name.call_id, given["approved"], reason or None, arguments, name.below)


def _outputs(
    sent: Sent, run: Run, results: "Sequence[tuple[Named, ToolMessage]]"
) -> Iterator[Output]:
    clients = {call.call_id for call in run.calls}
    for name, message in results:
        if name.call_id in clients:
            output = output_of(message, sent.paths[id(message)])
            yield Output(name.call_id, output, is_error=message.error is not None)


def _said_beside(sent: Sent, run: Run) -> list[InputMessage]:
    """Return what the user says beside the answers, and the run has not heard."""
    heard = {message.id for message in run.messages or ()}
    beside: list[UserMessage] = []
    for message in reversed(sent.said):
        if message.role == "assistant":
            break
        if message.role == "user" and message_id_of(message.id) not in heard:
            beside.insert(0, message)
    return [sent.input(message) for message in beside]


def _once(answers: Sequence[Answer]) -> list[Answer]:
    """Return each answer once.

    Raises:
        InvalidRequest: Two of them contradict each other.
    """
    found: dict[str, Answer] = {}
    for answer in answers:
        if found.setdefault(answer.answers_to, answer) != answer:
            field = "messages" if isinstance(answer, Output) else "resume"
            raise InvalidRequest.at((f"body.{field}", "two answers to one call"))
    return [*found.values()]


def _has_heard(run: Run, said: Sequence[InputMessage]) -> bool:
    """Tell whether all of this was said to a run: what is said beside gets other ids there."""
    heard = [message.content for message in run.messages or () if message.role == "user"]
    return all(any(is_same(each.content, content) for content in heard) for each in said)


def _ignored(interrupt_id: str) -> str:
    return f"There is no interrupt {interrupt_id!r}; it was ignored."


def _missing(run: Run, missing: Sequence[str]) -> str:
    names = ", ".join(name_of_asked("call", run.run_id, each) for each in missing)
    return f"The run waits for {names}. Nothing of this request was done: answer that first."


def _held(sent: Sent, holder: ThreadHolder | None) -> RunRef | None:
    """Return the run that holds the thread, if it is of this agent."""
    if holder is None or holder.run_id is None:
        return None
    ref = RunRef(sent.asked.tenant, holder.run_id)
    return ref if ref.agent == sent.agent.name else None


async def _read(sent: Sent, ref: RunRef | None) -> Run | None:
    if ref is None:
        return None
    try:
        return await sent.asked.deps.reader.read(ref)
    except UnknownRun:
        return None


async def _segment_after(sent: Sent, run: Run, answers: Sequence[Answer]) -> tuple[int, int]:
    """Return the segment that answers begin, and the one that the run is in."""
    log = RunLog(takes_approvals=True)
    events = await committed(await sent.asked.deps.events.so_far(sent.ref_of(run), 0))
    found = segment_after(events, log, (each.answers_to for each in answers))
    return found or log.segment, log.segment
