"""A call's end, whatever the provider does: cancelled, given up, beside others."""

import asyncio

import pytest

from fakes import Gate, attempts, hang, text
from outlast_worker.engine.records import ModelRecord
from unit.worker.models.asking import Asker

# pydantic warns of things inside litellm; raised there, they would end a stream as faults.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])


@both_ways
async def test_cancel_closes_the_connection(ask: Asker, stream: bool) -> None:
    """A cancelled call ends the provider's work too: it sees its client go."""
    asked = asyncio.create_task(ask(hang(), stream=stream))
    await asyncio.to_thread(ask.server.wait_for, ask.key)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    await asyncio.to_thread(ask.server.wait_for, ask.key, outcome="aborted")
    assert ask.requests == 1


async def test_cancel_within_a_stream(ask: Asker) -> None:
    """The same between two pieces of a streamed answer."""
    gate = Gate(after_chunks=2)
    asked = asyncio.create_task(ask(text("one two three", gate=gate), stream=True))
    await asyncio.to_thread(gate.wait_reached)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    await asyncio.to_thread(ask.server.wait_for, ask.key, outcome="aborted")


async def test_a_stream_that_drips(ask: Asker) -> None:
    """The timeout is of the whole call: a stream that goes on and on is given up."""
    step = text("word " * 1000, pace_s=0.1)
    outcome = await asyncio.wait_for(ask.fault(step, stream=True, timeout_s=0.5), 10)
    assert outcome.error.type == "model-unavailable"
    assert outcome.retry_after_s is not None
    await asyncio.to_thread(ask.server.wait_for, ask.key, outcome="aborted")


async def test_a_stream_that_stalls(ask: Asker) -> None:
    """A stream that stops in its middle is given up too."""
    gate = Gate(after_chunks=2)
    outcome = await ask.fault(text("one two three", gate=gate), stream=True, timeout_s=0.3)
    assert outcome.error.type == "model-unavailable"
    assert outcome.retry_after_s is not None
    await asyncio.to_thread(ask.server.wait_for, ask.key, outcome="aborted")


@both_ways
async def test_a_silent_provider(ask: Asker, stream: bool) -> None:
    """One that says nothing is given up long before the timeout, and may be asked again."""
    outcome = await ask.fault(hang(), stream=stream, idle_s=0.3)
    assert outcome.error.message == "The model was silent for 0.3 s."
    assert outcome.error.type == "model-unavailable"
    assert outcome.retry_after_s is not None
    await asyncio.to_thread(ask.server.wait_for, ask.key, outcome="aborted")


@both_ways
async def test_a_stream_that_falls_silent(ask: Asker, stream: bool) -> None:
    """The same in the middle of an answer, whether or not somebody watches."""
    gate = Gate(after_chunks=2)
    outcome = await ask.fault(text("one two three", gate=gate), stream=stream, idle_s=0.3)
    assert "silent" in outcome.error.message
    await asyncio.to_thread(ask.server.wait_for, ask.key, outcome="aborted")


async def test_a_slow_stream_is_not_silent(ask: Asker) -> None:
    """Each piece counts as a word: the whole may take longer."""
    got = await ask.answer(text("one two three four five six", pace_s=0.1), idle_s=0.35)
    assert got.text == "one two three four five six"


async def test_calls_at_once(ask: Asker) -> None:
    """Calls don't wait for each other."""
    gate = Gate()
    ask.server.script(ask.key, [attempts(text("slow", gate=gate), text("fast"))])
    slow = asyncio.create_task(ask())
    await asyncio.to_thread(gate.wait_reached)
    fast = await ask()
    assert isinstance(fast, ModelRecord)
    assert fast.text == "fast"
    gate.open()
    assert isinstance(await slow, ModelRecord)
