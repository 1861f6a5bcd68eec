"""Results that clients send of the calls that they run."""

from datetime import UTC, datetime
from typing import NamedTuple

from outlast.contract import ResultAnswer, ResultOrder
from outlast.errors import (
    AlreadyAnswered,
    BodyTooLarge,
    InvalidRequest,
    Problem,
    RunEnded,
    UnknownCall,
)
from outlast.names import RunRef
from outlast.protocol import CallAnswer, CallResult, InputMessage
from outlast_app.restate.ingress import Ingress
from outlast_app.restate.outcomes import Broken
from outlast_app.runs.orders import fault_of, hash_of
from outlast_app.runs.reader import RunReader


class Sent(NamedTuple):
    """A client's result."""

    answer: CallAnswer
    counts: bool
    """False if it was handed over, and no worker has taken it yet."""


class ClientResults:
    """Takes them, each exactly once."""

    def __init__(self, ingress: Ingress, reader: RunReader) -> None:
        self._ingress = ingress
        self._reader = reader

    async def send(self, ref: RunRef, call_id: str, result: CallResult, key: str | None) -> Sent:
        """Send what a call came to. The first result counts; the same one again gets its answer.

        Without a worker to take it, it is handed over to the next one.

        Args:
            ref: The run.
            call_id: The call.
            result: What it came to.
            key: The name of the caller's key, if there are keys.

        Raises:
            UnknownRun: There is no such run.
            UnknownCall: No client was asked to run such a call.
            AlreadyAnswered: Another result counts, or the time was over.
            RunEnded: Nobody waits for it any more.
            BodyTooLarge: The output has more than it may.
            InvalidRequest: An image or a document is such that no provider reads it.
        """
        check_result(result)
        if isinstance(await self._reader.outcome(ref), Broken):
            raise _ended(ref)
        order = ResultOrder(
            call_id=call_id,
            output=result.output,
            is_error=result.is_error,
            at=datetime.now(UTC),
            key=key,
            by=result.by,
        )
        same = f"{call_id}:{key or ''}:{hash_of(result)}"
        answer = await self._ingress.take_result(ref, order, same)
        if answer is None:
            return await self._hand_over(ref, order)
        if answer.answer and answer.outcome == "taken":
            return Sent(answer.answer, counts=True)
        raise _refusal(ref, call_id, answer)

    async def _hand_over(self, ref: RunRef, order: ResultOrder) -> Sent:
        """Return what will count, of a result that waits for a worker."""
        run = await self._reader.read(ref, messages=False)
        if run.ended:
            raise _ended(ref)
        if all(call.call_id != order.call_id for call in run.calls):
            raise _unknown(ref, order.call_id)
        answer = CallAnswer(
            call_id=order.call_id, outcome="answered", is_error=order.is_error, at=order.at
        )
        return Sent(answer, counts=False)


def check_result(result: CallResult) -> None:
    """Refuse a result that no run takes.

    Raises:
        BodyTooLarge: The output has more than it may.
        InvalidRequest: An image or a document is such that no provider reads it.
    """
    if result.is_too_large:
        raise BodyTooLarge(
            "A result has 256 KiB of text at most, or 4 MiB with images and documents. Send less."
        )
    if fault := fault_of(InputMessage(role="tool", content=result.output)):
        raise InvalidRequest.at(("body.output", fault))


def _refusal(ref: RunRef, call_id: str, answer: ResultAnswer) -> Problem:
    if counts := answer.answer:
        by = f" by {counts.by}" if counts.by else ""
        return AlreadyAnswered(
            f"The call {call_id} is {counts.outcome}{by} already, {counts.at:%FT%TZ}.",
            extra={"answer": counts.model_dump(mode="json")},
        )
    return _ended(ref) if answer.outcome == "ended" else _unknown(ref, call_id)


def _ended(ref: RunRef) -> RunEnded:
    return RunEnded(f"The run {ref.run_id} has ended; it waits for no result any more.")


def _unknown(ref: RunRef, call_id: str) -> UnknownCall:
    return UnknownCall(f"The run {ref.run_id} has no call {call_id} that a client is to run.")
