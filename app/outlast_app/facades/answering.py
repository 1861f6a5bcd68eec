"""How clients of other protocols go on with a run that waits for them: decisions and results."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from pydantic import JsonValue

from outlast.errors import (
    AlreadyDecided,
    InvalidRequest,
    RunEnded,
    UnknownApproval,
    UnknownCall,
    UnknownRun,
)
from outlast.names import RunRef
from outlast.protocol import (
    Approval,
    CallResult,
    ClientCall,
    Decision,
    InputMessage,
    Part,
    Run,
    SteerRun,
)
from outlast_app.auth import check_right
from outlast_app.bodies import made
from outlast_app.facades.ids import key_of
from outlast_app.facades.reader import committed, with_called
from outlast_app.facades.requests import Asked
from outlast_app.facades.segments import RunLog
from outlast_app.runs.orders import (
    MAX_DECISION_BYTES,
    MAX_MESSAGE_BYTES,
    as_messages,
    check_addition,
)
from outlast_app.runs.results import check_result

_AT_ONCE = 16  # reads of runs below


@dataclass(frozen=True)
class Verdict:
    """A person's decision on a tool call, taken from a field that is made for it.

    `below` is the run that asks, where it is not the one that is answered.
    """

    approval_id: str
    approved: bool
    reason: str | None = None
    arguments: dict[str, JsonValue] | None = None
    below: str | None = None

    @property
    def answers_to(self) -> str:
        """The key of the approval that is decided on."""
        return key_of(self.approval_id, self.below)


@dataclass(frozen=True)
class Output:
    """What a client's tool came to."""

    call_id: str
    output: str | list[Part]
    is_error: bool = False

    below: ClassVar[None] = None

    @property
    def answers_to(self) -> str:
        """The call whose result it is."""
        return self.call_id


Answer = Verdict | Output


async def open_decisions(asked: Asked, run: Run) -> set[str]:
    """Return the keys of approvals that a run waits for, of those that a yes or no decides."""
    if run.ended:
        return set()
    own = {a.id for a in run.approvals if a.reason == "approval" and a.resolution is None}
    return own | await _open_below(asked, run)


def open_calls(run: Run) -> set[str]:
    """Return the calls that a run waits for, of its clients."""
    return set() if run.ended else {call.call_id for call in run.calls if call.answer is None}


async def _open_below(asked: Asked, run: Run) -> set[str]:
    """Return what it waits for that runs below it ask."""
    if run.status != "waiting" or run.waiting is None or run.waiting.run_id is None:
        return set()
    log = await _log_of(asked, RunRef(asked.tenant, run.run_id))
    waits = [log.waiting] if log.waiting else []
    items = await with_called(waits, asked.called_runs(insists=False))
    called = (each for item in items for each in item.called)
    return {each.key for each in called if each.is_asked and each.is_yes_or_no}


async def _log_of(asked: Asked, ref: RunRef) -> RunLog:
    log = RunLog(takes_approvals=True)
    for event in await committed(await asked.deps.events.so_far(ref, 0)):
        log.take(event)
    return log


async def continue_run(
    asked: Asked, ref: RunRef, answers: Sequence[Answer], said: Sequence[InputMessage] = ()
) -> None:
    """Give a run what it waits for, and say something to it beside, as a user does.

    All is checked, against the run and by itself, before the first answer is sent. Each is
    idempotent, and so is the whole: a request that broke off half way is sent again as it is.

    Raises:
        UnknownRun: There is no such run.
        UnknownApproval: Nobody was asked for such a decision.
        UnknownCall: No client was asked to run such a call.
        AlreadyDecided: Another decision counts; with that.
        AlreadyAnswered: Another result counts.
        RunEnded: Nothing waits any more.
        MissingRight: The key may not decide; or not read, and it will be told what comes of it.
        InvalidRequest: It can't be decided here, or so; or what is said can't be.
        BodyTooLarge: It is more than a run takes.
    """
    check_right(asked.caller, "read")
    if any(isinstance(answer, Verdict) for answer in answers):
        check_right(asked.caller, "approve")
    run = await asked.deps.reader.read(ref, messages=False)
    runs: dict[str | None, Run] = {None: run, **await _runs_below(asked, ref, answers)}
    sendings = [_sending(asked, ref, answer) for answer in answers]
    beside = _said_beside(said) if said else None
    waits = [_is_open(runs[answer.below], answer) for answer in answers]
    # What is said comes first, so that the next model call has it; but not to a run that has gone
    # on, unless these are the answers with which it did.
    if beside and any(waits):
        await _steer(asked, ref, answers, beside)
    for send in sendings:
        await send()
    if beside and not any(waits):
        await _steer(asked, ref, answers, beside)


async def _runs_below(asked: Asked, ref: RunRef, answers: Sequence[Answer]) -> dict[str, Run]:
    """Return the runs below that have asked for answers.

    An id that a client sends is nothing to go by: the run that it follows has to have waited for
    just that.

    Raises:
        UnknownApproval: It has not.
        RunEnded: The run that asked is not kept any more.
    """
    wanted = {answer.answers_to: answer.below for answer in answers if answer.below}
    if not wanted:
        return {}
    log = await _log_of(asked, ref)
    for key in wanted:
        if key not in log.asked_below:
            raise UnknownApproval(f"The run {ref.run_id} waits for no {key}.")
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def read(run_id: str) -> Run:
        async with at_once:
            return await asked.deps.reader.read(RunRef(ref.tenant, run_id), messages=False)

    run_ids = list(dict.fromkeys(wanted.values()))
    try:
        found = await asyncio.gather(*map(read, run_ids))
    except UnknownRun as problem:
        raise RunEnded(f"{problem.detail} Nothing waits there any more.") from None
    return dict(zip(run_ids, found, strict=True))


def _sending(asked: Asked, ref: RunRef, answer: Answer) -> Callable[[], Awaitable[object]]:
    """Return what sends an answer, which was checked."""
    key = asked.caller.key
    if isinstance(answer, Output):
        result = made(CallResult, {"output": answer.output, "is_error": answer.is_error})
        check_result(result)
        return partial(asked.deps.results.send, ref, answer.call_id, result, key)
    action = "approve" if answer.approved else "reject"
    given = {"action": action, "reason": answer.reason, "arguments": answer.arguments}
    decision = made(Decision, given)
    check_addition(decision, MAX_DECISION_BYTES)
    decides = RunRef(ref.tenant, answer.below) if answer.below else ref
    return partial(asked.deps.runs.decide, decides, answer.approval_id, decision, key, asked.trace)


def _said_beside(said: Sequence[InputMessage]) -> SteerRun:
    body = made(SteerRun, {"input": list(said)})
    check_addition(body, MAX_MESSAGE_BYTES)
    as_messages(body.input)
    return body


async def _steer(asked: Asked, ref: RunRef, answers: Sequence[Answer], body: SteerRun) -> None:
    parts = [*map(repr, answers), body.model_dump_json()]
    key = hashlib.sha256("\n".join(parts).encode(errors="replace")).hexdigest()
    await asked.deps.runs.steer(ref, body, key, asked.trace)


def _is_open(run: Run, answer: Answer) -> bool:
    """Tell whether the run still waits for an answer.

    Raises:
        CallerProblem: It never did, does no longer, or for another one.
    """
    return _is_open_call(run, answer) if isinstance(answer, Output) else _may_decide(run, answer)


def _is_open_call(run: Run, answer: Output) -> bool:
    call: ClientCall | None = next((c for c in run.calls if c.call_id == answer.call_id), None)
    if call is None:
        raise UnknownCall(f"The run {run.run_id} has no call {answer.call_id} that clients run.")
    if call.answer is None and run.ended:
        raise RunEnded(f"The run {run.run_id} has ended; it waits for no result any more.")
    return call.answer is None


def _may_decide(run: Run, answer: Verdict) -> bool:
    found: Approval | None = next((a for a in run.approvals if a.id == answer.approval_id), None)
    if found is None and run.ended and answer.below:  # it has asked; nobody can tell any more
        raise _nothing_waits(run)
    if found is None:
        raise UnknownApproval(f"The run {run.run_id} has no approval {answer.approval_id}.")
    if found.reason != "approval":
        raise InvalidRequest(
            f"{answer.approval_id} asks for more than yes or no ({found.reason}). Decide at "
            f"POST /runs/{run.run_id}/approvals/{answer.approval_id}."
        )
    if found.resolution is None:
        if run.ended:
            raise _nothing_waits(run)
        return True
    counts = found.resolution
    if (counts.action == "approve") != answer.approved or counts.action == "expired":
        by = f" by {counts.by}" if counts.by else ""
        raise AlreadyDecided(
            f"{answer.approval_id} was decided already: {counts.action}{by}, {counts.at:%FT%TZ}.",
            extra={"resolution": counts.model_dump(mode="json")},
        )
    return False


def _nothing_waits(run: Run) -> RunEnded:
    return RunEnded(f"The run {run.run_id} has ended; nothing waits any more.")
