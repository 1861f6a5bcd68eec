"""Declarations of MCP servers: mistakes are told at import, and nothing secret is kept."""

from datetime import timedelta
from typing import Any

import pytest

from outlast import Agent, DefinitionError, McpServer
from outlast.mcp import fill_in

COMMAND = {"command": ["serve"]}
URL = {"url": "https://crm.test/mcp"}


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("CRM", COMMAND, "lower-case letters"),
        ("crm", {}, "either a command"),
        ("crm", {**COMMAND, **URL}, "either a command"),
        ("crm", {"command": "serve --now"}, "must be a list"),
        ("crm", {"command": []}, "list of texts"),
        ("crm", {"command": [1]}, "list of texts"),
        ("crm", {"url": "crm.test/mcp"}, "https://"),
        ("crm", {**COMMAND, "headers": {"A": "b"}}, "headers means nothing with a command"),
        ("crm", {**URL, "env": {"A": "b"}}, "env means nothing with a url"),
        ("crm", {**URL, "prefix": "crm."}, "prefix"),
        ("crm", {**URL, "effects": {"*": "never"}}, "'once'"),
        ("crm", {**URL, "timeout": 5}, "must be a timedelta"),
        ("crm", {**URL, "timeout": timedelta(0)}, "more than nothing"),
        ("crm", {**URL, "needs_approval": "pay"}, "must be True, or a list"),
        ("crm", {**URL, "deferred": "pay"}, "must be True, or a list"),
    ],
)
def test_mistakes(name: str, options: dict[str, Any], told: str) -> None:
    with pytest.raises(DefinitionError, match=told):
        McpServer(name, **options)


@pytest.mark.parametrize(
    ("servers", "told"),
    [
        ([McpServer("crm", url="http://a.test"), McpServer("crm", url="http://b.test")], "two MCP"),
        (["crm"], "no McpServer"),
        (McpServer("crm", url="http://a.test"), "must be a list"),
    ],
)
def test_mistakes_of_agents(servers: Any, told: str) -> None:
    with pytest.raises(DefinitionError, match=told):
        Agent(name="desk", instructions="Help.", mcp=servers)


def test_patterns() -> None:
    """Patterns say what is offered, what a person approves, and what a crash means."""
    server = McpServer(
        "crm",
        url="https://crm.test/mcp",
        tools=["read_*", "pay"],
        needs_approval=["pay"],
        effects={"read_*": "read", "*": "idempotent"},
        deferred=["read_*"],
    )
    assert [server.defers(tool) for tool in ("pay", "read_it")] == [False, True]
    assert [server.offers(tool) for tool in ("read_it", "pay", "drop")] == [True, True, False]
    assert [server.asks_before(tool) for tool in ("pay", "read_it")] == [True, False]
    assert [server.effect_of(tool) for tool in ("read_it", "pay")] == ["read", "idempotent"]
    plain = McpServer("crm", command=["serve"])
    assert (plain.effect_of("pay"), plain.defers("pay")) == (None, None)


def test_secrets() -> None:
    """A declaration holds names of variables, and shows neither headers nor environment."""
    server = McpServer("crm", url="https://crm.test/mcp", headers={"A": "Bearer ${CRM_TOKEN}"})
    assert "Bearer" not in repr(server)
    assert fill_in("Bearer ${CRM_TOKEN}", {"CRM_TOKEN": "t0"}) == "Bearer t0"
    for variables in ({}, {"CRM_TOKEN": ""}):
        with pytest.raises(KeyError, match="CRM_TOKEN"):
            fill_in("Bearer ${CRM_TOKEN}", variables)
