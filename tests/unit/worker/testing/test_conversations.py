"""What a test may give a run: conversations, lifespans, limits, tools."""

import asyncio
import time
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from outlast import Agent, Limits, ModelSettings, ToolContext, tool
from outlast.testing import (
    Decision,
    InputMessage,
    ModelCallOptions,
    RunResult,
    Usage,
    call,
    calls,
    run_in_memory,
    text,
)
from unit.worker.testing.desk import Till, desk, find_order, lifespan, refund

ACME = {"company": "Acme"}
SMALL = call("refund", order_id="A-1", cents=5)


async def run(**options: Any) -> RunResult:
    return await run_in_memory(desk, "Refund A-1.", context=ACME, **options)


async def test_lifespan() -> None:
    """It is entered for the run and left at its end."""
    tills: list[Till] = []

    @tool
    async def look(context: ToolContext[Till]) -> str:
        """Look."""
        tills.append(context.resources)
        return f"open: {context.resources.is_open}"

    agent = Agent(name="clerk", instructions="Look.", tools=[look])
    result = await run_in_memory(agent, "Hi.", model=[call("look"), text("")], lifespan=lifespan)
    assert result.tool_calls[0].result == "open: True"
    assert not tills[0].is_open


async def test_resources_and_lifespan() -> None:
    """Both at once would leave it open which of them tools get."""
    with pytest.raises(TypeError, match="either resources or the lifespan"):
        await run(model=[], resources=Till(), lifespan=lifespan)


async def test_what_tools_know_of_the_run() -> None:
    """The context is whole, and its key is another one in each run: as in production."""
    seen: list[ToolContext] = []

    @tool
    async def look(context: ToolContext) -> str:
        """Look."""
        seen.append(context)
        return "."

    agent = Agent(name="clerk", instructions="Look.", tools=[look])
    for _ in range(2):
        await run_in_memory(
            agent,
            "Hi.",
            model=[call("look"), text("")],
            context=ACME,
            metadata={"ticket": "7"},
            thread_id="t-1",
            tenant="acme",
        )
    one, other = seen
    assert (one.agent, one.tenant, one.thread_id, one.turn, one.call_id) == (
        *("clerk", "acme", "t-1", 1, "1.0"),
    )
    assert (one.context, one.metadata, one.resources) == (ACME, {"ticket": "7"}, None)
    assert one.idempotency_key == f"{one.run_id}:1.0" != other.idempotency_key


async def test_a_conversation() -> None:
    """A run goes on where another one ended."""
    first = await run(model=[SMALL, text("Done.")], resources=Till())
    second = await run_in_memory(
        desk, "And A-2?", model=[text("No.")], context=ACME, history=first.thread
    )
    said = [message.content for message in second.requests[0].messages]
    assert said == ["Refund A-1.", "", '{"cents":5}', "Done.", "And A-2?"]
    assert [message.content for message in second.messages] == ["And A-2?", "No."]
    assert [message.content for message in second.thread] == [*said, "No."]
    assert second.run.thread_id == "test"


async def test_steering() -> None:
    """What is said while the model is asked is read before the next call, and keeps the run on."""
    model = [text("Done."), text("Then not."), text("Bye.")]
    result = await run(model=model, steering={1: "Stop!", 2: ["Really", "and truly"]})
    said = [message.content for message in result.messages if message.role == "user"]
    assert said == ["Refund A-1.", "Stop!", "Really", "and truly"]
    assert (result.output, len(result.requests)) == ("Bye.", 3)


async def test_limits() -> None:
    """Limits of the run stop it."""
    result = await run(model=[SMALL, SMALL], resources=Till(), limits=Limits(max_turns=2))
    assert (result.status, result.run.incomplete_reason) == ("incomplete", "max_turns")


async def test_a_limit_that_is_raised() -> None:
    """A test says what a person decides at a limit, by the limit's name or the approval's id."""
    agent = Agent(
        name="desk",
        instructions="Help.",
        tools=[refund],
        limits=Limits(max_turns=1),
        on_limit="approve",
    )
    more = Decision(action="raise", limits=Limits(max_turns=3))
    result = await run_in_memory(
        agent,
        "Hi.",
        model=[SMALL, SMALL, SMALL],
        resources=Till(),
        decisions={"limit1": more, "max_turns": "stop"},
    )
    assert (result.status, result.run.turn) == ("incomplete", 3)


async def test_a_limit_of_cost() -> None:
    """What scripted answers cost is known, so that its limit can be tried."""
    spent = Usage(input_tokens=5, cost_usd=0.5)
    model = [calls(SMALL, usage=spent), calls(SMALL, usage=spent)]
    result = await run(model=model, resources=Till(), limits=Limits(max_cost_usd=1))
    assert (result.status, result.run.incomplete_reason) == ("incomplete", "max_cost_usd")


async def test_overrides() -> None:
    """A run may have otherwise what its agent allows; the script sees what the model is told."""
    agent = Agent(
        name="desk",
        instructions="Help.",
        tools=[find_order],
        model_settings=ModelSettings(seed=7),
        overrides={"instructions", "options", "tool_choice"},
    )
    result = await run_in_memory(
        agent,
        "Hi.",
        model=[call("find_order", order_id="A-1"), text("")],
        instructions="In rhymes.",
        options=ModelCallOptions(temperature=0),
        tool_choice="required",
    )
    first, second = result.requests
    assert first.instructions == "Help.\n\nIn rhymes."
    assert first.settings == ModelSettings(seed=7, temperature=0, tool_choice="required")
    assert second.settings == ModelSettings(seed=7, temperature=0)


async def test_overrides_that_the_agent_does_not_allow() -> None:
    """A run that the app would refuse fails, and says with which line it would not."""
    result = await run_in_memory(
        Agent(name="desk", instructions="Help."), "Hi.", model=[], instructions="In rhymes."
    )
    assert result.error is not None
    assert result.error.type == "override-refused"
    assert 'overrides={"instructions", "options"}' in result.error.message


class Ticket(BaseModel):
    title: str


async def test_output() -> None:
    """The result's output is the parsed value; what is wrong with an answer goes back."""
    agent = Agent(name="desk", instructions="Sort.", output_type=Ticket)
    model = [text("A lamp."), text('{"title": "A lamp."}')]
    result = await run_in_memory(agent, "Hi.", model=model)
    assert (result.status, result.output) == ("completed", {"title": "A lamp."})
    schema = result.requests[0].output_schema
    assert schema is not None
    assert schema["required"] == ["title"]
    assert "can't be read as JSON" in result.requests[1].last


async def test_an_output_schema() -> None:
    """A run's own schema, where the agent allows it."""
    agent = Agent(name="desk", instructions="Count.", overrides={"output_schema"})
    result = await run_in_memory(
        agent, "Hi.", model=[text('{"result": 5}')], output_schema={"type": "integer"}
    )
    assert result.output == 5


async def test_messages_as_input() -> None:
    """The input may be several messages."""
    said = [
        InputMessage(role="user", content="Hi."),
        InputMessage(role="assistant", content="Hello."),
        InputMessage(role="user", content="Bye."),
    ]
    result = await run_in_memory(desk, said, model=[text("Bye!")], context=ACME)
    assert [message.content for message in result.messages] == ["Hi.", "Hello.", "Bye.", "Bye!"]


async def test_what_the_app_would_refuse() -> None:
    """A start that could never be made is the test's mistake."""
    with pytest.raises(ValidationError, match="thread_id"):
        await run(model=[text("Hi.")], thread_id="not a thread")


async def test_a_context_that_lacks_a_name() -> None:
    """The run fails as it does when app and worker differ."""
    result = await run_in_memory(desk, "Hi.", model=[])
    assert result.error
    assert result.error.type == "definition-missing"


async def test_usage() -> None:
    """A test may say what a call costs; else words are counted, and nothing is paid."""
    paid = Usage(input_tokens=10, output_tokens=2, cost_usd=0.5)
    assert (await run(model=[text("Hi.", usage=paid)])).usage == paid.model_copy(
        update={"model_calls": 1}
    )
    counted = (await run(model=[text("It is done.")])).usage
    assert (counted.input_tokens, counted.output_tokens, counted.cost_usd) == (2, 3, 0)


async def test_a_tool_that_is_repeated() -> None:
    """Its attempts come at once: no test waits between them."""
    tries: list[str] = []

    @tool(retries=5)
    async def fetch(context: ToolContext) -> str:
        """Fetch."""
        tries.append(context.idempotency_key)
        if len(tries) < 6:
            raise ConnectionError("not yet")
        return "fetched"

    began = time.monotonic()
    agent = Agent(name="clerk", instructions="Fetch.", tools=[fetch])
    result = await run_in_memory(agent, "Hi.", model=[call("fetch"), text("")])
    assert result.tool_calls[0].result == "fetched"
    assert (len(tries), len(set(tries))) == (6, 1)
    assert time.monotonic() - began < 15  # 15.5 s in production


async def test_a_result_that_can_not_be_kept() -> None:
    """What no journal would keep is the error that it is in production."""

    @tool
    async def garble() -> str:
        """Garble."""
        return "\ud83d"

    agent = Agent(name="clerk", instructions="Garble.", tools=[garble])
    result = await run_in_memory(agent, "Hi.", model=[call("garble"), text("")])
    assert result.tool_calls[0].is_error


def test_tools_are_functions() -> None:
    """A tool is tested by calling it."""
    till = Till()
    context = ToolContext.for_test(resources=till)
    assert asyncio.run(refund("A-1", 5, context)) == {"cents": 5}
    assert find_order("A-1").startswith("A-1 in MainThread")
