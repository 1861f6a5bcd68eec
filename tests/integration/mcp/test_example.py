"""The example agent over its server, in memory: the test kit calls real servers, too."""

from pathlib import Path

import pytest

from example_agents.warehouse import agent
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
