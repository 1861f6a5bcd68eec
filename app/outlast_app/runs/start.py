"""How a run is started, and waited for until it ends or waits for a person."""

import asyncio
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress

from outlast.contract import RunOrder, SubmitAnswer
from outlast.errors import (
    BadGateway,
    IdempotencyConflict,
    OperatorProblem,
    RestateUnavailable,
    RunEnded,
    ThreadBusy,
    UnknownRun,
    WorkerUnavailable,
)
from outlast.protocol import Run
from outlast_app.deps import AppParts
from outlast_app.live.source import tail_of
from outlast_app.restate.ingress import maybe_accepted
from outlast_app.restate.outcomes import Broken, Ended, Pending, Repeated, Unknown
from outlast_app.runs.reader import new_run

_SAME_WAIT_S = 2.0
_PARKED_POLL_S = (0.05, 1.0)


async def start(parts: AppParts, order: RunOrder, wait_s: float, trace: Mapping[str, str]) -> Run:
    """Start a run; return it when it has ended, or as it is when the time is over."""
    with _naming(order.run_id, BadGateway):
        if order.thread_id and not order.after_s:
            return await _start_on_thread(parts, order, wait_s, trace)
        return await _start_alone(parts, order, wait_s, trace)


async def await_end(
    parts: AppParts, tenant: str, run: Run, wait_s: float, *, queued: bool = False
) -> Run:
    """Wait for the end of an accepted run; return it as it is if it takes longer.

    It does when the time is over, when the run waits for a person, or is queued behind one that
    does.
    """
    if run.ended or wait_s <= 0 or run.waiting_for == "approval":
        return run
    ending = asyncio.create_task(parts.reader.wait(tenant, run.run_id, wait_s))
    waits = {ending}
    if queued or run.status == "queued" or _may_ask(parts, run):
        waits |= {asyncio.create_task(_until_parked(parts, tenant, run))}
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits - {ending} if ending.done() else waits:
            wait.cancel()
        await asyncio.wait(waits)
    if not ending.cancelled():
        match ending.result():
            case Ended(ended):
                return ended
            case Unknown():
                raise UnknownRun(f"The run {run.run_id} was purged while it was waited for.")
            case _:
                pass
    return await parts.reader.read(tenant, run.run_id)


async def _until_parked(parts: AppParts, tenant: str, run: Run) -> None:
    """Return when the run waits for a person, or is queued behind one that does."""
    delay_s = _PARKED_POLL_S[0]
    async with tail_of(parts.live, tenant, run.run_id) as tail:
        while not await _is_parked(parts, tenant, run):
            news = await tail.committed(delay_s)
            delay_s = _PARKED_POLL_S[0] if news else min(delay_s * 2, _PARKED_POLL_S[1])


async def _is_parked(parts: AppParts, tenant: str, run: Run) -> bool:
    with suppress(OperatorProblem):  # asked again
        seen = await parts.ingress.status(tenant, run.run_id)
        if seen and seen.status != "queued":
            return seen.waiting_for == "approval"
        if run.thread_id and (thread := await parts.ingress.thread_status(tenant, run.thread_id)):
            holder = thread.run_id and await parts.ingress.status(tenant, thread.run_id)
            return bool(holder) and holder.waiting_for == "approval"
    return False


def _may_ask(parts: AppParts, run: Run) -> bool:
    agent = parts.registry.get(run.agent)
    return agent is not None and any(tool.needs_approval for tool in agent.tools)


async def _start_on_thread(
    parts: AppParts, order: RunOrder, wait_s: float, trace: Mapping[str, str]
) -> Run:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_s
    order = await _unless_dead(parts, order)
    with _naming(order.run_id, WorkerUnavailable):
        answer = await parts.ingress.submit(order, wait_s, trace)
    with _naming(order.run_id):
        if isinstance(answer, Pending):
            return await _undecided(parts, order)
        if not answer.same_body:
            raise _conflict()
        run = await _submitted(parts, order, answer)
        queued = answer.outcome == "queued"
        left_s = deadline - loop.time()
        run = await await_end(parts, order.tenant, run, left_s, queued=queued)
    return run.model_copy(update={"steered": answer.outcome == "steered"})


async def _unless_dead(parts: AppParts, order: RunOrder) -> RunOrder:
    """Let a run get in line behind one that was killed, which can take no message.

    Its thread learns of the death only when somebody waits.
    """
    if order.on_busy not in ("reject", "steer"):
        return order
    with suppress(WorkerUnavailable):  # then nobody can say who has the turn
        thread = await parts.ingress.thread_status(order.tenant, order.thread_id or "")
        if thread and thread.run_id and await parts.reader.is_dead(order.tenant, thread.run_id):
            return order.model_copy(update={"on_busy": "enqueue"})
    return order


async def _undecided(parts: AppParts, order: RunOrder) -> Run:
    """Return a run that its thread has not seen yet, if it will be one in any case."""
    await _check_first(parts, order)
    if order.on_busy in ("enqueue", "interrupt"):
        return new_run(order)
    raise WorkerUnavailable(
        f"The worker does not answer. Whether the thread is busy is decided when it is back: ask "
        f"for /runs/{order.run_id} then.",
        headers={"Retry-After": "1"},
    )


async def _submitted(parts: AppParts, order: RunOrder, answer: SubmitAnswer) -> Run:
    match answer.outcome:
        case "granted" | "queued":
            return new_run(order)
        case "known":
            return await parts.reader.read(order.tenant, order.run_id)
        case "steered":
            return await _read_taker(parts, order.tenant, answer.run_id or "")
        case "rejected":
            raise ThreadBusy(
                f"The run {answer.run_id} has the turn on {order.thread_id}. No run was started.",
                extra={"run_id": answer.run_id},
            )


async def _read_taker(parts: AppParts, tenant: str, run_id: str) -> Run:
    """Return the run that took the input."""
    try:
        return await parts.reader.read(tenant, run_id)
    except UnknownRun:
        raise RunEnded(f"The run {run_id} took the input, and was purged since.") from None


async def _start_alone(
    parts: AppParts, order: RunOrder, wait_s: float, trace: Mapping[str, str]
) -> Run:
    run = new_run(order)
    if not wait_s or _may_ask(parts, run):
        accepted = await parts.ingress.start(order, trace)
        with _naming(order.run_id):
            if isinstance(accepted, Repeated):
                await _check_same(parts, order)
                run = await parts.reader.read(order.tenant, order.run_id)
            return await await_end(parts, order.tenant, run, wait_s)
    outcome = await parts.ingress.start_and_wait(order, wait_s, trace)
    match outcome:
        case Ended(run):
            return run
        case Repeated():
            with _naming(order.run_id):
                await _check_same(parts, order)
                run = await parts.reader.read(order.tenant, order.run_id)
                return await await_end(parts, order.tenant, run, wait_s)
        case Unknown():
            raise RestateUnavailable(
                "Restate was lost before it had accepted the run; nothing was started. Try again.",
                headers={"Retry-After": "1"},
            )
        case Broken() | Pending():
            with _naming(order.run_id):
                return await parts.reader.read(order.tenant, order.run_id)


@contextmanager
def _naming(run_id: str, kind: type[OperatorProblem] = OperatorProblem) -> Generator[None]:
    """Name the run in a problem that comes up after Restate may have accepted it."""
    try:
        yield
    except UnknownRun:
        raise maybe_accepted(run_id) from None
    except kind as problem:
        problem.headers["Location"] = f"/runs/{run_id}"
        problem.extra["run_id"] = run_id
        raise


async def _check_first(parts: AppParts, order: RunOrder) -> None:
    """Compare a request that its thread has not seen with the first one of the same key."""
    if not order.repeatable:
        return
    first = await parts.reader.submission(order.tenant, order.run_id)
    if first and first.body_hash != order.body_hash:
        raise _conflict()


async def _check_same(parts: AppParts, order: RunOrder) -> None:
    if (await parts.ingress.same(order, _SAME_WAIT_S)).answer == "different":
        raise _conflict()


def _conflict() -> IdempotencyConflict:
    return IdempotencyConflict(
        "This Idempotency-Key belongs to a run with another body. Use a new key for a new run."
    )
