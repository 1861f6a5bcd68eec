"""When an answer's first piece came is told, whatever the piece is."""

import asyncio

import pytest

from fakes import call, text
from fakes.script import Single
from outlast_worker.models.hearing import Hearing
from unit.worker.models.asking import Asker

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")


@pytest.mark.parametrize("stream", [False, True], ids=["unwatched", "watched"])
@pytest.mark.parametrize(
    "step", [text("Hi there.", pace_s=0.2), call("refund", cents=5)], ids=["text", "call"]
)
async def test_first_piece(ask: Asker, step: Single, stream: bool) -> None:
    """It is the answer's, and not its end, whether or not anybody watches."""
    got = await ask.answer(step, stream=stream)
    assert got.first_token_ms is not None
    took_ms = (got.ended_at - got.started_at).total_seconds() * 1000
    assert 0 <= got.first_token_ms <= took_ms + 1
    if got.text:
        assert took_ms - got.first_token_ms >= 150


async def test_each_attempt_begins_anew() -> None:
    """An answer that is begun again has not said anything yet; an empty piece is none."""
    hearing = Hearing()
    hearing.begin().add("text", "H")
    assert hearing.first_token_ms is not None
    again = hearing.begin()
    again.add("text", "")
    assert hearing.first_token_ms is None
    await asyncio.sleep(0.01)
    again.add_call()
    assert hearing.first_token_ms >= 10
