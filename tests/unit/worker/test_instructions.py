"""An agent's instructions are made for each run, in time, or the run fails and says why."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest

from outlast import Agent, RunContext
from outlast_worker import instructions
from outlast_worker.instructions import NoInstructions, make_instructions


async def made(given: Any, **context: Any) -> str:
    agent = Agent(name="support", instructions=given)
    return await make_instructions(agent, RunContext.for_test(context=context))


async def greet(context: RunContext) -> str:
    """Greet by name."""
    await asyncio.sleep(0)
    return f"Greet {context.context['name']}."


class Greeter:
    """An object that is called."""

    async def __call__(self, context: RunContext) -> str:
        """Greet."""
        return "Greet {{nobody}}."


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("Greet {{name}}{{more|}}.", "Greet Ana."),
        (greet, "Greet Ana."),
        (lambda context: f"Greet {context.context['name']} at once.", "Greet Ana at once."),
        (Greeter(), "Greet {{nobody}}."),
    ],
    ids=["text", "async", "plain", "object"],
)
async def test_made(given: Any, text: str) -> None:
    """A text is filled in; a function, async or not, makes it, and nothing is filled in there."""
    assert await made(given, name="Ana") == text


def _fail(_context: RunContext) -> str:
    raise ValueError("secret")


def _exit(_context: RunContext) -> str:
    raise SystemExit(1)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("Greet {{name}}.", "need {{name}}"),
        (_fail, "failed: ValueError. The worker's log says more"),
        (_exit, "failed: SystemExit"),
        (lambda _: None, "returned a NoneType"),
        (lambda _: " ", "returned an empty text"),
        (lambda _: greet(RunContext.for_test(context={"name": "x"})), "failed: TypeError"),
    ],
    ids=["missing", "raises", "exits", "none", "empty", "coroutine"],
)
async def test_not_made(given: Any, why: str) -> None:
    """The run fails, and nothing of an exception's text is told."""
    with pytest.raises(NoInstructions) as failed:
        await made(given)
    assert why in failed.value.error.message
    assert "secret" not in failed.value.error.message
    assert failed.value.error.type == "definition-missing"


@pytest.mark.parametrize("plain", [False, True], ids=["async", "plain"])
async def test_too_slow(monkeypatch: pytest.MonkeyPatch, plain: bool) -> None:
    """A function that does not return is given up."""
    monkeypatch.setattr(instructions, "INSTRUCTIONS_TIMEOUT", timedelta(seconds=0.05))

    async def hang(_context: RunContext) -> str:
        await asyncio.Event().wait()
        return ""

    def block(_context: RunContext) -> str:
        time.sleep(0.2)
        return ""

    with pytest.raises(NoInstructions, match=r"did not return within 0\.05 s"):
        await made(block if plain else hang)
