"""What becomes of the results that clients send."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from outlast.contract import ResultOrder
from outlast.errors import BodyTooLarge, Problem, RunEnded, UnknownCall
from outlast.names import RunRef
from outlast.protocol import CallResult, ClientCall, Run, RunStatus
from outlast_app.restate.outcomes import Outcome, Pending
from outlast_app.runs.results import ClientResults

REF = RunRef("acme", "guide.aaaaaaaaaaaaaaaaaaaaaaaaaa")
AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
BERLIN = CallResult(output="Berlin")


@dataclass
class NoWorker:
    """Ingress and reader of a run whose worker is away."""

    run: Run

    async def outcome(self, _ref: RunRef) -> Outcome:
        return Pending()

    async def read(self, _ref: RunRef, *, messages: bool) -> Run:
        assert not messages
        return self.run

    async def take_result(self, _ref: RunRef, _order: ResultOrder, _key: str) -> None:
        return None


def results(status: RunStatus, *call_ids: str) -> ClientResults:
    calls = [
        ClientCall(
            call_id=call_id,
            name="find_user",
            arguments={},
            requested_at=AT,
            expires_at=AT + timedelta(hours=1),
        )
        for call_id in call_ids
    ]
    behind = NoWorker(Run(run_id=REF.run_id, agent="guide", status=status, calls=calls))
    return ClientResults(behind, behind)  # pyright: ignore[reportArgumentType]


async def test_a_result_is_handed_over() -> None:
    """Without a worker the next one gets it, and it is not said to count."""
    sent = await results("waiting", "1.0").send(REF, "1.0", BERLIN, None)
    assert (sent.answer.call_id, sent.answer.outcome, sent.counts) == ("1.0", "answered", False)


@pytest.mark.parametrize(
    ("status", "kind"), [("completed", RunEnded), ("cancelled", RunEnded), ("waiting", UnknownCall)]
)
async def test_a_result_that_is_for_nothing(status: RunStatus, kind: type[Problem]) -> None:
    """Nothing is said to be handed over where nothing waits, as far as is known."""
    call_id = "1.0" if status != "waiting" else "1.1"
    with pytest.raises(kind, match=REF.run_id):
        await results(status, call_id).send(REF, "1.0", BERLIN, None)


async def test_a_name_that_is_too_long() -> None:
    """Who answers is kept and shown with the run, so it has a bound as the result has."""
    with pytest.raises(BodyTooLarge):
        await results("waiting", "1.0").send(
            REF, "1.0", CallResult(output="x", by="y" * 300_000), None
        )
