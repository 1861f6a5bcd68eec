"""The example agent over its server, in memory: the test kit calls real servers, too."""

import sys
from pathlib import Path

import pytest

from example_agents.office import agent as office
from example_agents.warehouse import agent
from outlast import Agent, McpServer
from outlast.protocol import Decision
from outlast.testing import call, run_in_memory, text


async def test_the_stock_keeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks things up, and orders more once a person has approved that."""
    monkeypatch.chdir(tmp_path)
    model = [
        call("find_stock", item="Monitor arm"),
        call("order_more", item="Monitor arm", pieces=5),
        call("find_stock", item="Monitor arm"),
        text("Ordered."),
    ]
    run = await run_in_memory(agent, "Order 5.", model=model, decisions={"order_more": "approve"})
    assert [each.result for each in run.tool_calls] == [
        "3",
        "Ordered 5 × Monitor arm; there will be 8.",
        "8",
    ]


async def test_taking_stock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server asks a person to count, and the run waits for the number."""
    monkeypatch.chdir(tmp_path)
    model = [call("take_stock", item="Monitor arm"), text("Two.")]
    counted = Decision(action="answer", content={"pieces": 2})
    run = await run_in_memory(agent, "Count.", model=model, decisions={"take_stock": counted})
    assert [each.result for each in run.tool_calls] == [
        "There are 2 × Monitor arm; somebody has counted them."
    ]


def _server(script: str) -> Agent:
    server = McpServer("stock", command=["sh", "-c", script, sys.executable])
    return Agent(name="warehouse", instructions="Keep the stock.", mcp=[server])


async def test_a_server_that_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run begins once its server can be reached."""
    monkeypatch.chdir(tmp_path)
    late = "[ -e tried ] || { touch tried; exit 1; }; exec $0 -m example_agents.stock_server"
    model = [call("find_stock", item="Monitor arm"), text("3.")]
    run = await run_in_memory(_server(late), "How many?", model=model)
    assert [each.result for each in run.tool_calls] == ["3"]


async def test_a_server_that_stays_away() -> None:
    """A run that waited for its server in vain fails, and says for which."""
    run = await run_in_memory(_server("exit 1"), "How many?", model=[])
    assert run.error
    assert run.error.type == "tool-server-unavailable"
    assert "stock can't be reached" in run.error.message


async def test_the_back_office() -> None:
    """Of 200 tools the model is told of those that it has searched for."""
    model = [
        call("search_tools", query="newest invoice"),
        call("invoice_newest"),
        text("It was filed in 2023."),
    ]
    run = await run_in_memory(office, "Show the newest invoice.", model=model)
    first, second, _ = (request.tools for request in run.requests)
    assert first == ["search_tools"]
    assert second[:2] == ["search_tools", "invoice_newest"]
    assert run.tool_calls[1].result == "invoice 3: filed in 2023 by the back office"
