"""What a caller may do to runs and threads that are there: one place for every interface."""

from datetime import UTC, datetime
from typing import NamedTuple
from uuid import uuid4

from outlast.contract import (
    DecideAnswer,
    DecideOrder,
    HistoryQuestion,
    SignalAnswer,
    SignalOrder,
    SteerOrder,
    TakeBackOrder,
    ThreadHolder,
)
from outlast.errors import (
    AdminUnavailable,
    AlreadyDecided,
    IdempotencyConflict,
    InvalidRequest,
    Problem,
    RunEnded,
    RunNotPaused,
    SignalConflict,
    ThreadBusy,
    UnknownApproval,
    UnknownSignal,
    UnknownThread,
)
from outlast.logging import get_logger
from outlast.names import RunRef, ThreadRef
from outlast.protocol import (
    Decider,
    Decision,
    MessagePage,
    Resolution,
    Run,
    SignalTaken,
    SignalValue,
    Steered,
    SteerRun,
    Thread,
)
from outlast.trace import Trace
from outlast_app.restate.admin import Admin
from outlast_app.restate.ingress import Ingress
from outlast_app.restate.outcomes import Broken, Ended
from outlast_app.runs.orders import (
    MAX_DECISION_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_SIGNAL_BYTES,
    as_messages,
    check_addition,
    hash_of,
)
from outlast_app.runs.reader import RunReader
from outlast_app.runs.views import expiry_of

_logger = get_logger()
# Requests that differ in nothing but their times are the same.
_ANY_TIME = datetime.fromtimestamp(0, UTC)


class Decided(NamedTuple):
    """A person's decision."""

    resolution: Resolution
    counts: bool
    """False if it was handed over, and no worker has taken it yet."""


class RunActions:
    """What may be done to a run. Every method may raise `UnknownRun`."""

    def __init__(self, ingress: Ingress, admin: Admin, reader: RunReader) -> None:
        self._ingress = ingress
        self._admin = admin
        self._reader = reader

    async def decide(
        self,
        ref: RunRef,
        approval_id: str,
        decision: Decision,
        key: str | None,
        trace: Trace | None = None,
    ) -> Decided:
        """Decide on what waits for a person.

        Without a worker to take it, a decision is handed over to the next one. It counts then,
        and from when it was made, unless another one was there before.

        Args:
            ref: The run.
            approval_id: What waits.
            decision: What is decided.
            key: The name of the caller's key, if there are keys.
            trace: The request's, if it has one.

        Raises:
            UnknownApproval: There is no such approval.
            AlreadyDecided: Another decision counts.
            RunEnded: Nothing waits any more.
            InvalidRequest: The tool can't take the arguments, or this can't be decided here.
        """
        check_addition(decision, MAX_DECISION_BYTES)
        if isinstance(await self._reader.outcome(ref), Broken):
            raise _nothing_waits(ref)
        order = DecideOrder(
            call_id=approval_id, decision=decision, at=datetime.now(UTC), key=key, trace=trace
        )
        same = hash_of(order.model_copy(update={"at": _ANY_TIME, "trace": None}))
        answer = await self._ingress.decide(ref, order, same)
        if answer is None:
            return await self._hand_over(ref, order)
        if answer.resolution and answer.outcome == "decided":
            return Decided(answer.resolution, counts=True)
        raise _refusal(ref, approval_id, answer)

    async def steer(
        self, ref: RunRef, body: SteerRun, idempotency_key: str | None, trace: Trace | None = None
    ) -> Steered:
        """Say something to a run, which reads it before its next model call.

        Without a worker to take it, a message is handed over to the next one, and has no id yet.

        Raises:
            RunEnded: It reads no more.
            IdempotencyConflict: The key was given with another message.
        """
        check_addition(body, MAX_MESSAGE_BYTES)
        outcome = await self._reader.outcome(ref)
        if isinstance(outcome, Broken) or (isinstance(outcome, Ended) and not idempotency_key):
            raise _reads_no_more(ref)
        order = SteerOrder(
            run_id=ref.run_id,
            input=as_messages(body.input),
            at=datetime.now(UTC),
            key=idempotency_key,
            body_hash=hash_of(body),
        )
        same = f"{idempotency_key}:{order.body_hash}" if idempotency_key else uuid4().hex
        answer = await self._ingress.steer(ref, order, same, trace)
        if answer is None:
            return Steered()
        if answer.outcome == "different":
            raise IdempotencyConflict(
                "This Idempotency-Key belongs to another message. Use a new key for a new one."
            )
        if answer.message_id is None:
            raise _reads_no_more(ref)
        return Steered(message_id=answer.message_id)

    async def signal(
        self,
        ref: RunRef,
        name: str,
        value: SignalValue,
        call_id: str | None,
        trace: Trace | None = None,
    ) -> SignalTaken:
        """Send a signal to a durable call of a run; the first value counts, and is kept.

        Without a worker to take it, it is handed over to the next one.

        Raises:
            UnknownSignal: No open call takes it.
            SignalConflict: Another value counts, or several calls take it.
            RunEnded: Nothing takes it any more.
        """
        check_addition(value, MAX_SIGNAL_BYTES)
        if isinstance(await self._reader.outcome(ref), Broken | Ended):
            raise _takes_no_more(ref)
        order = SignalOrder(name=name, call_id=call_id, value=value.root)
        answer = await self._ingress.signal(ref, order, hash_of(order), trace)
        if answer is None:
            return SignalTaken(name=name, value=value.root)
        if answer.outcome == "taken":
            return SignalTaken(call_id=answer.call_ids[0], name=name, value=value.root)
        raise _signal_refusal(ref, order, answer)

    async def cancel(self, ref: RunRef, trace: Trace | None = None) -> Run:
        """Cancel a run, wherever it is; return it as it was.

        Raises:
            RunEnded: It ended otherwise.
        """
        run = await self._reader.read(ref)
        if run.ended and run.status != "cancelled":
            raise RunEnded(
                f"The run {ref.run_id} has ended as {run.status}; nothing is left to cancel."
            )
        if run.ended:
            return run
        carried_out = await self._ingress.cancel(ref, trace)
        # When the worker is back it may go on with the run before it comes to the cancellation,
        # and one that was carried out before the run was paused does not resume it.
        if not carried_out or run.status == "paused":
            try:
                await self._admin.cancel_at_once(ref)
            except AdminUnavailable as error:
                _logger.warning("admin_unavailable", run_id=ref.run_id, reason=error.detail)
        return run

    async def resume(self, ref: RunRef) -> Run:
        """Let a paused run try again; return it as it is then.

        Raises:
            RunNotPaused: It is something else.
            AdminUnavailable: Nobody can resume it now.
        """
        run = await self._reader.read(ref, messages=False)
        row = None if run.ended else await self._admin.engine_row(ref)
        if row is None or not row.paused:
            raise RunNotPaused(
                f"The run {ref.run_id} is {run.status}; only a paused run can be resumed."
            )
        await self._admin.resume(ref)
        return await self._reader.read(ref)

    async def _hand_over(self, ref: RunRef, order: DecideOrder) -> Decided:
        """Return what was handed over, if it is for something that waits."""
        run = await self._reader.read(ref, messages=False)
        asked = next((each for each in run.approvals if each.id == order.decides), None)
        if run.ended or asked is None:
            outcome = "ended" if run.ended else "unknown"
            raise _refusal(ref, order.decides, DecideAnswer(outcome=outcome))
        decided = order.decision.model_dump(exclude={"by"})
        by = Decider(key=order.key, said=order.decision.by) if order.key else order.decision.by
        resolution = Resolution(
            call_id=asked.call_id, approval_id=asked.approval_id, by=by, at=order.at, **decided
        )
        return Decided(resolution, counts=False)


class ThreadActions:
    """What may be done to a thread. Every method may raise `UnknownThread`."""

    def __init__(self, ingress: Ingress, reader: RunReader) -> None:
        self._ingress = ingress
        self._reader = reader

    async def read(self, thread: ThreadRef) -> Thread:
        """Return who holds the thread and who waits for it."""
        status = await self._ingress.thread_status(thread)
        if status is None:
            raise _unknown(thread)
        run_id = status.run_id
        if run_id and await self._reader.is_dead(RunRef(thread.tenant, run_id)):
            # Its thread learns of it when told.
            await self._ingress.check_holder(thread)
            run_id = None
        return Thread(
            thread_id=thread.thread_id,
            status="busy" if run_id or status.queued else "idle",
            run_id=run_id,
            queued=status.queued,
            message_count=status.message_count,
            metadata=status.metadata,
            expires_at=expiry_of(
                status.updated_at, status.expires_after_s, busy=bool(run_id or status.queued)
            ),
            summary=status.summary,
            created_at=status.created_at,
            updated_at=status.updated_at,
        )

    async def holder(self, thread: ThreadRef) -> ThreadHolder:
        """Return who holds the thread, dead or alive: less than `read` does, and for less."""
        holder = await self._ingress.thread_holder(thread)
        if holder is None:
            raise _unknown(thread)
        return holder

    async def read_history(self, thread: ThreadRef, after: int, limit: int) -> MessagePage:
        """Return what was said, oldest first, after so many messages."""
        question = HistoryQuestion(after=after, limit=limit)
        answer = await self._ingress.thread_history(thread, question)
        if answer.items is None:
            raise _unknown(thread)
        reached = after + len(answer.items)
        next_cursor = str(reached) if reached < answer.message_count else None
        return MessagePage(items=answer.items, next_cursor=next_cursor)

    async def read_newest(self, thread: ThreadRef, before: int | None, limit: int) -> MessagePage:
        """Return what was said, newest first, before a position; from the end without one."""
        if before is None:
            before = (await self.holder(thread)).message_count
        after = max(before - limit, 0)
        page = await self.read_history(thread, after, before - after)
        return MessagePage(items=page.items[::-1], next_cursor=str(after) if after else None)

    async def delete(self, thread: ThreadRef) -> None:
        """Forget the conversation.

        Raises:
            ThreadBusy: A run holds it.
        """
        answer = await self._ingress.delete_thread(thread, await self._killed_holder(thread))
        if answer.outcome == "unknown":
            raise _unknown(thread)
        if answer.outcome == "busy":
            raise _busy(answer.run_id)

    async def take_back(self, thread: ThreadRef, after: str) -> None:
        """Forget what was said after a message.

        Raises:
            ThreadBusy: A run holds the thread.
            InvalidRequest: There is no such message, or calls would stay without their results.
        """
        answer = await self._ingress.take_back(
            thread, TakeBackOrder(after=after, at=datetime.now(UTC))
        )
        match answer.outcome:
            case "unknown":
                raise _unknown(thread)
            case "busy":
                raise _busy(answer.run_id)
            case "unknown_message":
                raise InvalidRequest.at(("query.after", f"the thread has no message {after!r}"))
            case "open_calls":
                advice = "the calls of this message would stay without results; name the last one"
                raise InvalidRequest.at(("query.after", f"{advice}, or the message before"))
            case "taken_back":
                return

    async def _killed_holder(self, thread: ThreadRef) -> str | None:
        """Return the run that holds the thread if it is sure that it was killed."""
        holder = await self._ingress.thread_holder(thread)
        if holder is None or holder.run_id is None:
            return None
        outcome = await self._ingress.outcome(RunRef(thread.tenant, holder.run_id))
        return holder.run_id if isinstance(outcome, Broken) else None


def _busy(run_id: str | None) -> ThreadBusy:
    return ThreadBusy(f"The run {run_id} holds the thread. Wait for its end, or cancel it, first.")


def _refusal(ref: RunRef, approval_id: str, answer: DecideAnswer) -> Problem:
    if answer.resolution:
        counts = answer.resolution
        by = f" by {counts.by}" if counts.by else ""
        return AlreadyDecided(
            f"{approval_id} was decided already: {counts.action}{by}, {counts.at:%FT%TZ}.",
            extra={"resolution": counts.model_dump(mode="json")},
        )
    if answer.outcome == "invalid":
        return InvalidRequest.at(*((fault.field, fault.message) for fault in answer.faults))
    if answer.outcome == "ended":
        return _nothing_waits(ref)
    return UnknownApproval(f"The run {ref.run_id} has no approval {approval_id}.")


def _nothing_waits(ref: RunRef) -> RunEnded:
    return RunEnded(f"The run {ref.run_id} has ended; nothing waits any more.")


def _reads_no_more(ref: RunRef) -> RunEnded:
    return RunEnded(
        f"The run {ref.run_id} has ended and reads no more. Start a new one, on the same thread."
    )


def _unknown(thread: ThreadRef) -> UnknownThread:
    return UnknownThread(
        f"There is no thread {thread.thread_id!r}. A thread is made by the first run that names it."
    )


def _takes_no_more(ref: RunRef) -> RunEnded:
    return RunEnded(f"The run {ref.run_id} has ended; it takes no more signals.")


def _signal_refusal(ref: RunRef, order: SignalOrder, answer: SignalAnswer) -> Problem:
    calls = ", ".join(answer.call_ids)
    match answer.outcome:
        case "ended":
            return _takes_no_more(ref)
        case "different":
            return SignalConflict(
                f"The call {calls} has the signal {order.name!r} with another value; the first "
                "one counts."
            )
        case "ambiguous":
            return SignalConflict(
                f"The calls {calls} take the signal {order.name!r}; say which: ?call_id=…"
            )
        case _:
            call = f"call {order.call_id}" if order.call_id else "open call"
            return UnknownSignal(
                f"No {call} of the run {ref.run_id} takes the signal {order.name!r}. A call takes "
                "what its tool declares, from its start to its end."
            )
