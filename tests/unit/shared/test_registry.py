"""The agents of both processes, and the digests by which they are compared."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from fakes.names import named
from outlast import Agent, DefinitionError, Limits, McpServer, ModelSettings, tool
from outlast.registry import Registry, load_registry, warn_of_unknown_providers

REPOSITORY = Path(__file__).parents[3]
MODEL = "openai/x"


def make_tool(**options: Any) -> Any:
    @tool(**options)
    def find(order_id: str) -> str:
        """Find.

        Args:
            order_id: Which.
        """
        return ""

    return find


def make(**changes: Any) -> Agent:
    return Agent(**{"name": "support", "instructions": "Help.", "tools": [make_tool()], **changes})


def digest(*agents: Agent, model: str = MODEL) -> str:
    return Registry(agents, model).digest()


# Agents by name.


def test_agents_by_name() -> None:
    """Agents are found by name and keep the order of their list."""
    first, second = make(name="b"), make(name="a")
    registry = Registry([first, second], MODEL)
    assert registry.names() == ["b", "a"]
    assert list(registry) == [first, second]
    assert registry.get("a") is second
    assert registry.get("c") is None


def test_two_agents_of_one_name() -> None:
    """Two agents of one name are refused: a URL could mean either."""
    with pytest.raises(DefinitionError, match="two agents are called 'support'; rename one"):
        Registry([make(), make()], MODEL)


@pytest.mark.parametrize("model", ["", "gpt-5", "openai/"])
def test_default_model_without_provider(model: str) -> None:
    """MODEL is checked when a process starts, not when the first run needs it."""
    with pytest.raises(DefinitionError, match=r"the setting MODEL .*write provider/model"):
        Registry([make()], model)


def test_model_of() -> None:
    """An agent's own model comes before the setting."""
    registry = Registry([], MODEL)
    assert registry.model_of(make()) == MODEL
    assert registry.model_of(make(model="anthropic/y")) == "anthropic/y"


def test_describe() -> None:
    """Clients see what an agent is: its model, its tools with their schemas, what it needs."""
    agent = make(
        instructions="Help {{company}}.",
        tools=[make_tool(retries=2, timeout=timedelta(seconds=90))],
    )
    registry = Registry([agent], MODEL)
    described = registry.describe(agent)
    assert (described.model, described.context) == (MODEL, ["company"])
    assert described.digest == registry.agent_digest(agent) == registry.digests()["support"]
    [find] = described.tools
    assert (find.name, find.retries, find.timeout_s) == ("find", 2, 90.0)
    assert (find.parameters or {})["required"] == ["order_id"]


# Where they come from.


@pytest.fixture
def module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Callable[[str], str]:
    """Write a module, and return its name."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(code: str) -> str:
        name = f"agents_of_{request.node.originalname}_{abs(hash(code))}"
        (tmp_path / f"{name}.py").write_text(code)
        monkeypatch.delitem(sys.modules, name, raising=False)
        return name

    return write


def test_the_projects_own_agents() -> None:
    """The agents that come with the project are declared rightly."""
    names = [
        "support",
        "desk",
        "assistant",
        "concierge",
        "bookkeeper",
        "guide",
        "cashier",
        "triage",
        "warehouse",
        "translator",
        "shipping",
        "handbook",
        "office",
        "companion",
    ]
    assert load_registry("example_agents", MODEL).names() == names


def test_load(module: Callable[[str], str]) -> None:
    """Any module with a list `agents` will do."""
    code = "from outlast import Agent\nagents = [Agent(name='a', instructions='Help.')]"
    assert load_registry(module(code), MODEL).names() == ["a"]


@pytest.mark.parametrize(
    ("code", "fix"),
    [
        ("", r"a list `agents: list\[Agent\]` that is not empty"),
        ("agents = []", "that is not empty"),
        ("agents = 'support'", "that is not empty"),
        ("agents = ['support']", "'support' in the list `agents` is no Agent"),
    ],
)
def test_modules_without_agents(module: Callable[[str], str], code: str, fix: str) -> None:
    """A module without agents is refused, with its name and what it needs."""
    name = module(code)
    with pytest.raises(DefinitionError, match=f"AGENTS={name}: .*{fix}"):
        load_registry(name, MODEL)


@pytest.mark.parametrize(
    "name", ["no_such_module", "example_agents.no_such_module", "no_such.module.at.all"]
)
def test_no_such_module(name: str) -> None:
    """A module that is not there is the setting's fault."""
    with pytest.raises(DefinitionError, match=f"AGENTS={name}: there is no such module"):
        load_registry(name, MODEL)


def test_a_module_that_lacks_a_library(module: Callable[[str], str]) -> None:
    """An import that fails inside the module is shown as what it is."""
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        load_registry(module("import no_such_library"), MODEL)


# Digests.


def test_equal_definitions() -> None:
    """Equal definitions have equal digests, whatever the order in which options were written."""
    one = make(model_settings=ModelSettings(seed=1, temperature=0))
    other = make(model_settings=ModelSettings(temperature=0, seed=1))
    assert digest(one) == digest(other)


@pytest.mark.parametrize(
    "changes",
    [
        {"instructions": "Help more."},
        {"description": "Helps."},
        {"model": "openai/y"},
        {"limits": Limits(max_turns=3)},
        {"overrides": ["instructions"]},
        {"fallbacks": ["openai/z"]},
        {"fallback_on_refusal": True},
        {"keep_reasoning": True},
        {"model_settings": ModelSettings(seed=1)},
        {"on_limit": "approve"},
        {"output_type": int},
        {"tools": []},
        {"tools": [make_tool(name="other")]},
        {"tools": [make_tool(timeout=timedelta(seconds=5))]},
        {"tools": [make_tool(retries=1)]},
        {"tools": [make_tool(effect="read")]},
        {"tools": [make_tool(deferred=True)]},
        {"search_tools": True},
    ],
    ids=named,
)
def test_different_definitions(changes: dict[str, Any]) -> None:
    """Whatever makes an agent behave differently changes its digest."""
    assert digest(make(**changes)) != digest(make())


def test_deferred_tools() -> None:
    """A description tells which tools the model has to search for, whoever says so."""
    tools = [make_tool(name="a"), make_tool(name="b", deferred=False)]

    def described(**fields: Any) -> tuple[bool, list[bool | None]]:
        agent = make(**fields)
        told = Registry([agent], MODEL).describe(agent)
        return told.search_tools, [each.deferred for each in told.tools]

    assert described(tools=tools) == (False, [None, None])
    assert described(tools=tools, search_tools=True) == (True, [True, None])
    office = McpServer("office", command=["x"], deferred=True)
    assert described(tools=tools, mcp=[office]) == (True, [None, None])


def test_different_schemas() -> None:
    """A parameter's type and its description count too."""

    @tool
    def find(order_id: int) -> str:
        """Find.

        Args:
            order_id: Which.
        """
        return ""

    assert digest(make(tools=[find])) != digest(make())


def test_the_default_model_counts() -> None:
    """Another MODEL is another definition of the agents that name none."""
    assert digest(make(), model="openai/y") != digest(make())
    own = make(model="openai/own")
    assert digest(own, model="openai/y") == digest(own)


@pytest.mark.parametrize("seed", ["0", "12345"])
def test_digests_of_other_processes(seed: str) -> None:
    """App and worker are different processes, and must come to the same digest."""
    code = (
        "from outlast.registry import load_registry;"
        f"print(load_registry('example_agents', '{MODEL}').digest())"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert answer.stdout.strip() == load_registry("example_agents", MODEL).digest()


@pytest.mark.parametrize("model", ["openai/x", "ours/x", "predibase/x"])
def test_no_doubt(model: str) -> None:
    """A provider that is known, or may be, is not spoken of: only the worker can tell."""
    with capture_logs() as logs:
        warn_of_unknown_providers(Registry([make()], model))
    assert logs == []


def test_a_provider_that_looks_misspelt() -> None:
    """One that resembles a known one is logged, with what to write."""
    with capture_logs() as logs:
        warn_of_unknown_providers(Registry([make()], "opnai/gpt-5"))
    [line] = logs
    assert (line["event"], line["log_level"]) == ("unknown_provider", "warning")
    assert line["did_you_mean"] == "openai/gpt-5"
