"""What becomes of what is asked of a thread, whatever interface it came by."""

from typing import Any

import pytest

from outlast.contract import DeleteAnswer, HistoryAnswer, TakeBackAnswer
from outlast.errors import InvalidRequest, ThreadBusy, UnknownThread
from outlast.protocol import Message
from outlast_app.restate.outcomes import Broken, Outcome, Pending
from unit.app.runs.acting import AT, REF, THREAD, Behind, threads


@pytest.mark.parametrize(
    ("queued", "outcome", "expected"),
    [
        ([], Pending(), ("busy", REF.run_id)),
        ([], Broken(killed=True, reason="killed"), ("idle", None)),
        (["r2"], Broken(killed=True, reason="killed"), ("busy", None)),
    ],
    ids=["held", "dead", "dead-with-a-line"],
)
async def test_a_thread(queued: list[str], outcome: Outcome, expected: tuple[Any, ...]) -> None:
    """A run that was killed holds nothing, whatever its thread believes; and that is told."""
    behind = Behind(held_by=REF.run_id, queued=queued, outcome_=outcome)
    thread = await threads(behind).read(THREAD)
    assert (thread.status, thread.run_id) == expected
    assert thread.queued == queued
    assert behind.calls == (["check_holder"] if isinstance(outcome, Broken) else [])


async def test_history() -> None:
    """A page says where the next one begins, as long as there is more."""
    said = Message(id="m", role="user", content="Hi.", run_id=REF.run_id, created_at=AT)
    behind = Behind(history=HistoryAnswer(items=[said, said], message_count=5))
    first = await threads(behind).read_history(THREAD, after=0, limit=2)
    assert (first.items, first.next_cursor) == ([said, said], "2")
    assert (await threads(behind).read_history(THREAD, after=3, limit=2)).next_cursor is None


@pytest.mark.parametrize(
    ("outcome", "dead"),
    [(Pending(), None), (Broken(killed=True, reason="killed"), REF.run_id)],
    ids=["alive", "dead"],
)
async def test_delete(outcome: Outcome, dead: str | None) -> None:
    """The thread is told which holder is dead, so that nobody waits for it to release."""
    behind = Behind(held_by=REF.run_id, outcome_=outcome, deleted=DeleteAnswer(outcome="deleted"))
    await threads(behind).delete(THREAD)
    assert behind.calls == [("delete", dead)]


async def test_delete_of_a_thread_in_use() -> None:
    """A run that holds the thread is named."""
    answer = DeleteAnswer(outcome="busy", run_id=REF.run_id)
    with pytest.raises(ThreadBusy, match=REF.run_id):
        await threads(Behind(held_by=REF.run_id, deleted=answer)).delete(THREAD)


@pytest.mark.parametrize(
    ("outcome", "problem"),
    [
        ("busy", ThreadBusy),
        ("unknown", UnknownThread),
        ("unknown_message", InvalidRequest),
        ("open_calls", InvalidRequest),
    ],
)
async def test_taking_back_what_can_not_be(outcome: Any, problem: type[Exception]) -> None:
    """Each reason why nothing was taken back is told."""
    with pytest.raises(problem):
        await threads(Behind(taken_back=TakeBackAnswer(outcome=outcome))).take_back(THREAD, "m")


async def test_taking_back() -> None:
    """The message that stays last is named."""
    behind = Behind(taken_back=TakeBackAnswer(outcome="taken_back"))
    await threads(behind).take_back(THREAD, "m")
    assert behind.calls == [("take_back", "m")]


async def test_a_thread_that_is_not_there() -> None:
    """Whatever is asked of it, it is unknown."""
    behind = Behind(
        history=HistoryAnswer(items=None, message_count=0), deleted=DeleteAnswer(outcome="unknown")
    )
    for asking in (
        threads(behind).read(THREAD),
        threads(behind).read_history(THREAD, after=0, limit=20),
        threads(behind).delete(THREAD),
    ):
        with pytest.raises(UnknownThread, match="made by the first run"):
            await asking
