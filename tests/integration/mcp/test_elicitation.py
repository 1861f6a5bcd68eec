"""What servers ask people in the middle of calls, in memory: the engine's loop, real servers."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes.mcp_servers import Notes, asking_server, stdio_server
from fakes.mcp_worker import Worker, answered
from outlast import Agent, InDoubt, McpServer, ToolContext, ToolError
from outlast.protocol import Decision
from outlast.testing import RunResult, call, run_in_memory, text
from outlast_worker.mcp.asking import HeldCalls


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    return Notes(tmp_path / "notes")


def answer(**content: Any) -> Decision:
    return Decision(action="answer", content=content)


async def run(
    server: McpServer, tool: str, decisions: Mapping[str, Any], **arguments: Any
) -> RunResult:
    agent = Agent(name="desk", instructions="Help.", mcp=[server])
    model = [call(tool, **arguments), text("done")]
    return await run_in_memory(agent, "Go.", model=model, decisions=decisions)


async def test_an_answer(notes: Notes) -> None:
    """It reaches the call that waits for it, which goes on from there."""
    decisions = {"order": answer(supplier="Lux")}
    ended = await run(asking_server(notes), "order", decisions, item="lamp")
    assert [each.result for each in ended.tool_calls] == ["ordered lamp from Lux"]
    assert notes.read()[1:] == ["asked", "ordered:lamp"]
    [asked] = [event for event in ended.events if event.type == "approval.requested"]
    assert (asked.approval_id, asked.reason, asked.question) == (
        "1.0.input1",
        "input",
        "Who supplies it?",
    )
    assert asked.content_schema
    assert asked.content_schema["required"] == ["supplier"]


async def test_nobody_wants_to_answer(notes: Notes) -> None:
    """The server is told, and says what becomes of the call."""
    ended = await run(asking_server(notes), "order", {"order": "decline"}, item="lamp")
    assert [each.result for each in ended.tool_calls] == ["not ordered: decline"]


async def test_several_questions(notes: Notes) -> None:
    decisions = {"1.0.input1": answer(text="Lamp"), "1.0.input2": answer(text="red")}
    ended = await run(asking_server(notes), "describe", decisions)
    assert [each.result for each in ended.tool_calls] == ["Lamp, red"]
    assert notes.read()[1:] == ["asked", "asked"]


async def test_a_page_to_visit(notes: Notes) -> None:
    """A person is shown where, and says that it is done: nothing else is passed on."""
    ended = await run(asking_server(notes), "sign", {"sign": answer()})
    assert [each.result for each in ended.tool_calls] == ["signed: accept False"]


async def test_what_can_not_be_asked(notes: Notes) -> None:
    """The server hears why; nobody is asked."""
    ended = await run(asking_server(notes), "demand", {})
    assert "refers to itself" in str(ended.tool_calls[0].result)


async def test_a_newer_server(notes: Notes) -> None:
    """One that ends its call with what it asks is called again with the answers, once."""
    decisions = {"1.0.input1": answer(name="Lux"), "1.0.input2": answer(count=3)}
    server = stdio_server(notes, elicitation=True)
    ended = await run(server, "order", decisions, item="lamp")
    assert [each.result for each in ended.tool_calls] == ["ordered 3 × lamp from Lux"]
    assert notes.read() == ["started", "ordered:lamp"]


@pytest.fixture
async def workers() -> AsyncIterator[list[Worker]]:
    started: list[Worker] = []
    yield started
    for worker in started:
        await worker.tools.close()


def kill_servers(notes: Notes) -> None:
    for word in notes.read():
        if word.startswith("pid:"):
            os.kill(int(word.removeprefix("pid:")), signal.SIGKILL)


async def test_another_worker_goes_on(notes: Notes, workers: list[Worker]) -> None:
    """It repeats a call that may be, with what was answered, and nobody is asked again."""
    server = asking_server(notes)
    workers += [Worker(server), Worker(server)]
    first = answered(await workers[0].call("describe"), text="Lamp")
    second = await workers[1].call("describe", first)
    assert [question.message for question in second.questions] == ["Which colour has it?"]
    assert await workers[1].call("describe", answered(second, first, text="red")) == "Lamp, red"
    assert notes.read().count("asked") == 3


async def test_a_call_that_may_not_be_repeated(notes: Notes, workers: list[Worker]) -> None:
    """It is in doubt when the server that had asked is gone; begun anew, it has the answer."""
    workers.append(Worker(asking_server(notes)))
    given = answered(await workers[0].call("order", item="lamp"), supplier="Lux")
    kill_servers(notes)
    with pytest.raises(InDoubt, match=r"no longer knows|went away"):
        await workers[0].call("order", given, item="lamp")
    assert not any(word.startswith("ordered") for word in notes.read())
    anew = replace(given, asks=None)
    assert await workers[0].call("order", anew, item="lamp") == "ordered lamp from Lux"


async def test_a_server_that_does_not_wait(notes: Notes, workers: list[Worker]) -> None:
    """An answer that comes too late for it is given at once when the call is repeated."""
    workers.append(Worker(asking_server(notes)))
    asks = await workers[0].call("hurry")
    await asyncio.to_thread(notes.wait_for, "gave_up")
    assert await workers[0].call("hurry", answered(asks, text="lamp")) == "quick: lamp"


async def test_a_newer_server_that_has_forgotten(notes: Notes, workers: list[Worker]) -> None:
    """A process that was started anew can't read its own state: it is asked from the beginning."""
    server = stdio_server(notes, elicitation=True)
    workers += [Worker(server), Worker(server)]
    asks = await workers[0].call("reserve", item="lamp")
    assert asks.held is None
    given = answered(asks, name="Lux")
    assert await workers[1].call("reserve", given, item="lamp") == "reserved lamp at Lux"
    asks = await workers[0].call("order", item="lamp")
    with pytest.raises(InDoubt, match="no longer knows"):
        await workers[1].call("order", answered(asks, name="Lux", count=1), item="lamp")


async def test_sessions_of_their_own(notes: Notes, workers: list[Worker]) -> None:
    """Calls side by side never get each other's questions; those that are over share one."""
    workers.append(Worker(asking_server(notes)))
    first, second = await asyncio.gather(*(workers[0].call("describe") for _ in range(2)))
    assert notes.read().count("asked") == 2
    first = answered(first, text="Lamp")
    asks = await workers[0].call("describe", first)
    assert await workers[0].call("describe", answered(asks, first, text="red")) == "Lamp, red"
    asks = await workers[0].call("describe", answered(second, text="Chair"))
    assert [question.message for question in asks.questions] == ["Which colour has it?"]
    await workers[0].call("describe")
    assert len([word for word in notes.read() if word.startswith("pid:")]) == 2


async def test_a_run_that_has_ended(notes: Notes, workers: list[Worker]) -> None:
    """What it had open is broken off, and the server hears of it."""
    workers.append(Worker(asking_server(notes)))
    await workers[0].call("order", item="lamp")
    workers[0].tools.let_go(ToolContext.for_test().run_id)
    await asyncio.to_thread(notes.wait_for, "cancelled")


async def test_nobody_answers_for_long(notes: Notes, workers: list[Worker]) -> None:
    """A call is not held for ever: it is broken off, and repeated if that may be."""
    workers.append(Worker(asking_server(notes), HeldCalls(held_for_s=0.01)))
    asks = await workers[0].call("describe")
    await asyncio.to_thread(notes.wait_for, "cancelled")
    asks = await workers[0].call("describe", answered(asks, text="Lamp"))
    assert [question.message for question in asks.questions] == ["Which colour has it?"]


async def test_no_room(
    notes: Notes, workers: list[Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls that wait for people make room for others: the one that waits for longest."""
    monkeypatch.setattr("outlast_worker.mcp.sessions.MAX_SESSIONS", 1)
    workers.append(Worker(asking_server(notes)))
    asks = await workers[0].call("order", item="lamp")
    assert await workers[0].call("demand")
    with pytest.raises(InDoubt):
        await workers[0].call("order", answered(asks, supplier="Lux"), item="lamp")


async def test_a_call_that_is_cut(notes: Notes, workers: list[Worker]) -> None:
    """A step that is broken off breaks the call off: the server hears of it."""
    workers.append(Worker(stdio_server(notes, elicitation=True)))
    calling = asyncio.create_task(workers[0].call("dawdle"))
    await asyncio.to_thread(notes.wait_for, "dawdling")
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    await asyncio.to_thread(notes.wait_for, "cancelled")


async def test_who_may_not_ask(notes: Notes, workers: list[Worker]) -> None:
    """Without `elicitation` a server is told that nobody can be asked."""
    workers.append(Worker(replace(asking_server(notes), elicitation=False)))
    with pytest.raises(ToolError, match="not ordered: None"):
        await workers[0].call("order", item="lamp")


async def test_models_are_not_lent(notes: Notes, workers: list[Worker]) -> None:
    """Whoever asks for one hears so, in either way of asking."""
    workers += [Worker(asking_server(notes)), Worker(stdio_server(notes, elicitation=True))]
    assert await workers[0].call("dream") == "refused: Sampling not supported"
    with pytest.raises(ToolError, match=r"wants sampling/createMessage, which it can't have"):
        await workers[1].call("dream")
