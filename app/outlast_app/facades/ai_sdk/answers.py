"""What a client's last answer was completed with: decisions and results, for a run that waits."""

from collections.abc import Sequence

from outlast.agent import Agent
from outlast.contract import ThreadHolder
from outlast.errors import InvalidRequest, UnknownRun
from outlast.names import RunRef
from outlast.protocol import Run
from outlast_app.auth import check_right
from outlast_app.facades.ai_sdk.messages import UiMessage, UiRequest, input_of, result_of
from outlast_app.facades.ai_sdk.told import Told
from outlast_app.facades.answering import (
    Answer,
    Output,
    Verdict,
    continue_run,
    open_calls,
    open_decisions,
)
from outlast_app.facades.conversations import is_same
from outlast_app.facades.ids import Named, name_of_asked, read_asked, read_name, thread_id_of
from outlast_app.facades.reader import committed
from outlast_app.facades.requests import Asked
from outlast_app.facades.segments import RunLog


async def go_on(
    asked: Asked, agent: Agent, body: UiRequest, holder: ThreadHolder | None
) -> Told | None:
    """Give what the client's last answer was completed with to its run, if that waits for it.

    None if it is no such request: it is a user's message then.

    Args:
        asked: The request.
        agent: Who is spoken to.
        body: What it says.
        holder: Who holds the chat's thread.

    Raises:
        InvalidRequest: The run waits for something else, or the answers are for another one.
    """
    answer, said = _last_answer(body.conversation())
    named = answer and _run_named(asked, answer.id)
    if body.asks_anew or answer is None or named is None or named.ref.agent != agent.name:
        return None
    answers = _answers(asked, named.ref, answer, body.path_of(answer))
    if not answers and (holder is None or holder.run_id != named.ref.run_id):
        return None
    try:
        run = await asked.deps.reader.read(named.ref, messages=False)
    except UnknownRun:
        return None
    still_open = await open_decisions(asked, run) | open_calls(run)
    mine = [each for each in answers if each.answers_to in still_open]
    is_repeated = bool(answers) and not mine and await _was_said(asked, named.ref, body)
    if not still_open and not is_repeated:
        return None
    check_right(asked.caller, "read")
    _check_chat(run, body)
    if mine:
        first, last = await _segments_after(asked, named, answers)
        beside = [input_of(message, body.path_of(message)) for message in said]
        await continue_run(asked, named.ref, mine, beside)
        answered = frozenset(each.answers_to for each in answers)
        first = last if said else first
        return Told(run, first, last, _begins(named, first, said), answered)
    if not is_repeated:
        if not said:
            return None
        names = [name_of_asked("call", run.run_id, each) for each in sorted(still_open)]
        wrong = f"the run waits for {', '.join(names)}: answer that first"
        raise InvalidRequest.at((body.path_of(answer), wrong))
    # The same once more, as after a connection that broke: it is told what came of it.
    await continue_run(asked, named.ref, [each for each in answers if isinstance(each, Verdict)])
    first, last = await _segments_after(asked, named, answers)
    first = last if said else first
    return Told.since(run, first, _begins(named, first, said))


def _run_named(asked: Asked, message_id: str) -> Named | None:
    """Return whose answer a message is, all of it or the end."""
    names = (read_name(asked.tenant, message_id, "msg", count=count) for count in (0, 1))
    return next((name for name in names if name), None)


def _begins(named: Named, segment: int, said: Sequence[UiMessage]) -> int:
    """Return with which segment the message begins that what comes of answers is told in."""
    if said:
        return segment
    return named.numbers[0] if named.numbers else 1


def _check_chat(run: Run, body: UiRequest) -> None:
    if run.thread_id != thread_id_of(body.id):
        raise InvalidRequest.at(("body.id", f"the run {run.run_id} is of another chat"))


async def _was_said(asked: Asked, ref: RunRef, body: UiRequest) -> bool:
    """Tell whether a run has had the answers before, and what the user says beside them.

    Who has seen what came of the answers says something new.
    """
    answer, said = _last_answer(body.conversation())
    if not said:
        return True
    if not (answer and answer.ends_with_answer):
        return False
    run = await asked.deps.reader.read(ref)
    heard = [message.content for message in run.messages or () if message.role == "user"]
    given = (input_of(message, body.path_of(message)).content for message in said)
    return all(any(is_same(each, content) for content in heard) for each in given)


def _last_answer(said: Sequence[UiMessage]) -> tuple[UiMessage | None, Sequence[UiMessage]]:
    """Return the last answer in the list, and what the user has said after it."""
    for index in range(len(said) - 1, -1, -1):
        if said[index].role == "assistant":
            return said[index], said[index + 1 :]
    return None, said


def _answers(asked: Asked, ref: RunRef, message: UiMessage, path: str) -> list[Answer]:
    found: dict[str, Answer] = {}
    for index, part in enumerate(message.parts):
        at = f"{path}.parts.{index}"
        if part.is_answered:
            named = _named(asked, ref, part.tool_call_id, f"{at}.toolCallId")
            if named.below:
                raise InvalidRequest.at((f"{at}.toolCallId", "the agent that asks runs it itself"))
            answer = Output(named.call_id, result_of(part), part.state == "output-error")
        elif part.is_decided and part.approval:
            named = _named(asked, ref, part.approval.id, f"{at}.approval.id")
            if part.approval.approved is None:
                raise InvalidRequest.at((f"{at}.approval.approved", "neither true nor false"))
            answer = Verdict(
                named.call_id,
                part.approval.approved,
                part.approval.reason or None,
                below=named.below,
            )
        else:
            continue
        if found.setdefault(named.key, answer) != answer:
            raise InvalidRequest.at((at, "a part before it says something else of the same call"))
    return [*found.values()]


def _named(asked: Asked, ref: RunRef, given: str | None, at: str) -> Named:
    """Return what an id names that a run, or one below it, has asked for."""
    name = read_asked(asked.tenant, given or "", "call")
    if name is None or name.ref != ref:
        raise InvalidRequest.at((at, f"it names no call of the run {ref.run_id}: {given!r}"))
    return name


async def _segments_after(asked: Asked, named: Named, answers: Sequence[Answer]) -> tuple[int, int]:
    """Return the first and the last of the segments that answers begin.

    Some of them others have given meanwhile, too: what came of those is in earlier segments, of
    which the client has not heard. Those are of the same turn.
    """
    wanted = {answer.answers_to for answer in answers}
    log, after = RunLog(takes_approvals=True), dict[str, tuple[int, int]]()
    for event in await committed(await asked.deps.events.so_far(named.ref, 0)):
        log.take(event)
        if log.is_over and log.waiting:
            begun = log.turn, log.waiting.segment + 1
            after.update(dict.fromkeys(log.asked & wanted, begun))
    turn, last = max(after.values(), default=(0, 1))
    return min((segment for of, segment in after.values() if of == turn), default=last), last
