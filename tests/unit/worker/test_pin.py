"""The pin: an agent's definition, rendered for one run."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fakes.orders import order
from fakes.skill_folders import write_skill
from outlast import Agent, Limits, McpServer, ModelSettings, RunContext, tool
from outlast.protocol import Overrides
from outlast.registry import Registry
from outlast_worker.engine.records import Pin, PinFailure, PinnedTool, PinOutcome
from outlast_worker.mcp.tools import Listing
from outlast_worker.pin import pin_agent
from outlast_worker.settings import WorkerSettings


@tool(timeout=timedelta(seconds=5))
async def refund(cents: int) -> str:
    """Pay back.

    Args:
        cents: How much.
    """
    return ""


def pinned(
    agent: Agent,
    context: dict[str, Any] | None = None,
    listings: Sequence[Listing] = (),
    others: Sequence[Agent] = (),
    first_turn: int | None = None,
    **asked: Any,
) -> PinOutcome:
    registry = Registry([agent, *others], default_model="openai/default")
    settings = WorkerSettings(model_retry_for_s=7)
    given = RunContext.for_test(context=context)
    ordered = order(context=context or {}, **asked)
    return asyncio.run(pin_agent(registry, agent, ordered, settings, given, listings, first_turn))


def test_pin() -> None:
    """Everything that the run needs of the definition is in its journal."""
    agent = Agent(
        name="support",
        instructions="Help customers of {{company}}.",
        tools=[refund],
        limits=Limits(max_turns=3),
        model_settings=ModelSettings(temperature=0),
    )
    pin = pinned(agent, {"company": "Acme"})
    assert isinstance(pin, Pin)
    assert pin.instructions == "Help customers of Acme."
    assert (pin.model, pin.model_settings) == ("openai/default", ModelSettings(temperature=0))
    assert (pin.limits, pin.model_retry_for_s) == (Limits(max_turns=3), 7)
    [told] = pin.tools
    assert (told.name, told.description) == ("refund", "Pay back.")
    assert told.parameters == refund.parameters


@pytest.mark.parametrize("limits", [Limits(), Limits(max_turns=None)])
def test_a_run_always_ends(limits: Limits) -> None:
    """An agent that sets no limit of turns has one."""
    pin = pinned(Agent(name="support", instructions="Help.", limits=limits))
    assert isinstance(pin, Pin)
    assert pin.limits.max_turns == 20


@pytest.mark.parametrize(
    ("own", "asked", "pinned_as"),
    [
        ({"max_turns": 3}, {"max_turns": 2}, {"max_turns": 2}),
        ({"max_turns": 3}, {"max_turns": 4}, {"max_turns": 3}),
        ({}, {"max_turns": 40}, {"max_turns": 20}),
        ({"max_tokens": 9}, {"max_cost_usd": 0.5}, {"max_tokens": 9, "max_cost_usd": 0.5}),
        ({"max_duration_s": 9}, {"max_duration_s": 0.5}, {"max_duration_s": 0.5}),
        ({"max_tool_calls": 9}, {"max_tool_calls": 10}, {"max_tool_calls": 9}),
    ],
)
def test_the_lower_limit_counts(
    own: dict[str, Any], asked: dict[str, Any], pinned_as: dict[str, Any]
) -> None:
    """A run may be held shorter than its agent says, never longer."""
    agent = Agent(name="support", instructions="Help.", limits=Limits(**own))
    pin = pinned(agent, limits=Limits(**asked))
    assert isinstance(pin, Pin)
    assert pin.limits.given == {"max_turns": 20, **pinned_as}


OPEN: Any = {"overrides": ["instructions", "options", "tool_choice"], "tools": [refund]}


def asking(**fields: Any) -> dict[str, Any]:
    return {"overrides": Overrides.model_validate(fields)}


def test_further_instructions() -> None:
    """A run's own instructions are a block after the agent's, and no template."""
    agent = Agent(name="support", instructions="Help {{who}}.", **OPEN)
    pin = pinned(agent, {"who": "Ana"}, **asking(instructions="Say {{who}}."))
    assert isinstance(pin, Pin)
    assert pin.instructions == "Help Ana.\n\nSay {{who}}."


@pytest.mark.parametrize(
    ("own", "asked", "pinned_as"),
    [
        ({"temperature": 1, "seed": 7}, {"temperature": 0.5}, {"temperature": 0.5, "seed": 7}),
        ({"max_output_tokens": 9}, {"top_p": 0.5}, {"max_output_tokens": 9, "top_p": 0.5}),
        ({"seed": 7}, {}, {"seed": 7}),
    ],
)
def test_options(own: dict[str, Any], asked: dict[str, Any], pinned_as: dict[str, Any]) -> None:
    """A run's options take the place of the agent's that mean the same."""
    agent = Agent(name="support", instructions="Help.", model_settings=ModelSettings(**own))
    pin = pinned(agent, **asking(options=asked))
    assert isinstance(pin, Pin)
    assert pin.model_settings == ModelSettings(**pinned_as)


@pytest.mark.parametrize(
    ("agent", "asked", "why"),
    [
        ({}, {"instructions": "More."}, 'overrides={"instructions", "options"}'),
        (OPEN, {"tool_choice": "pay"}, "has no tool 'pay'"),
    ],
)
def test_what_this_worker_does_not_allow(
    agent: dict[str, Any], asked: dict[str, Any], why: str
) -> None:
    """The app may have another definition: what this one does not allow fails the run."""
    failure = pinned(Agent(name="support", instructions="Help.", **agent), **asking(**asked))
    assert isinstance(failure, PinFailure)
    assert failure.error.type == "override-refused"
    assert why in failure.error.message


def test_a_name_that_the_context_lacks() -> None:
    """Instructions that can't be filled in fail the run, and say which name they need."""
    failure = pinned(Agent(name="support", instructions="Help {{company}}."))
    assert isinstance(failure, PinFailure)
    assert failure.error.type == "definition-missing"
    assert "{{company}}" in failure.error.message


def test_a_schema_that_takes_anything() -> None:
    """A run's own schema counts also if it says nothing."""
    agent = Agent(name="a", instructions="x", output_type=int, overrides={"output_schema"})
    pin = pinned(agent, **asking(output_schema={}))
    assert isinstance(pin, Pin)
    assert pin.output
    assert pin.output.shape["properties"] == {"result": {}}


def _listing(server: McpServer, *names: str) -> Listing:
    tools = [PinnedTool(name=name, description=server.name, parameters={}) for name in names]
    return Listing(server, tools)


def test_tools_of_servers() -> None:
    """A name belongs to the agent's own tool, else to the server that is named first."""
    crm, erp = (McpServer(name, url="https://test/mcp") for name in ("crm", "erp"))
    agent = Agent(name="support", instructions="Help.", tools=[refund], mcp=[crm, erp])
    pin = pinned(agent, listings=[_listing(crm, "refund", "find"), _listing(erp, "find", "book")])
    assert isinstance(pin, Pin)
    told = [(tool.name, tool.description) for tool in pin.tools]
    assert told == [("refund", "Pay back."), ("find", "crm"), ("book", "erp")]


@pytest.mark.parametrize("required", [True, False])
def test_a_server_that_is_away(*, required: bool) -> None:
    """A run waits for one that it needs, and goes without another."""
    server = McpServer("crm", url="https://test/mcp", required=required)
    agent = Agent(name="support", instructions="Help.", mcp=[server])
    outcome = pinned(agent, listings=[Listing(server, fault="It is away.")])
    if not required:
        assert isinstance(outcome, Pin)
        return
    assert isinstance(outcome, PinFailure)
    assert (outcome.error.type, outcome.error.message) == ("tool-server-unavailable", "It is away.")
    assert outcome.retry_for_s == 7


def _names(pin: PinOutcome, *, deferred: bool) -> list[str]:
    assert isinstance(pin, Pin)
    return [tool.name for tool in pin.tools if bool(tool.deferred) == deferred]


@pytest.mark.parametrize(
    ("agents", "servers", "deferred"),
    [
        (False, None, []),
        (False, True, ["find", "book"]),
        (False, ["b*"], ["book"]),
        (True, None, ["refund", "find", "book"]),
        (True, False, ["refund"]),
        (True, ["b*"], ["refund", "book"]),
    ],
)
def test_deferred_tools(*, agents: bool, servers: Any, deferred: list[str]) -> None:
    """What a tool or its server says counts, else what the agent says."""
    crm = McpServer("crm", url="https://test/mcp", deferred=servers)
    agent = Agent(name="desk", instructions="Help.", tools=[refund], mcp=[crm], search_tools=agents)
    pin = pinned(agent, listings=[_listing(crm, "find", "book", "search_tools")])
    assert _names(pin, deferred=True) == deferred
    shown = [name for name in ("refund", "find", "book") if name not in deferred]
    # A server's tool gives way to the one that the worker brings along.
    others = ["search_tools"] if deferred or servers is None else []
    assert _names(pin, deferred=False) == [*shown, *others]


def test_skills(tmp_path: Path) -> None:
    """A run keeps what its model is told of skills, and their digests: not what they say."""
    write_skill(tmp_path / "claims", "Ask for a photo.", description="How to claim.")
    agent = Agent(name="desk", instructions="Help.", skills=[tmp_path])
    pin = pinned(agent)
    assert isinstance(pin, Pin)
    assert pin.instructions.startswith("Help.\n\nThese are skills")
    assert pin.instructions.endswith("\n- claims: How to claim.")
    [tool] = pin.tools
    assert (tool.name, tool.kind) == ("read_skill", "built_in")
    assert tool.skills == {"claims": agent.known_skills[0].digest}
    assert "photo" not in pin.model_dump_json()


# Who takes over.


def test_handoffs() -> None:
    """The model is told of them as of tools, and the run knows to whom they lead."""
    tech = Agent(name="tech", description="Mends.", instructions="Mend.")
    pin = pinned(Agent(name="support", instructions="Help.", handoffs=[tech]), others=[tech])
    assert isinstance(pin, Pin)
    [handoff] = pin.tools
    assert (handoff.name, handoff.kind, handoff.hands_over_to) == (
        *("transfer_to_tech", "handoff", "tech"),
    )
    assert (pin.agent, pin.first_turn) == (None, None)


def test_who_takes_over_is_asked_as_far_as_it_allows() -> None:
    """What it does not allow is left out, where the agent that was asked would fail the run."""
    asked = asking(instructions="Rhyme.", options={"temperature": 0}, tool_choice="refund")
    closed = pinned(Agent(name="tech", instructions="Mend."), first_turn=3, **asked)
    assert isinstance(closed, Pin)
    assert (closed.agent, closed.first_turn) == ("tech", 3)
    assert closed.instructions == "Mend."
    assert closed.model_settings == ModelSettings(temperature=0)
    assert closed.tool_choice is None
    willing = pinned(Agent(name="tech", instructions="Mend.", **OPEN), first_turn=3, **asked)
    assert isinstance(willing, Pin)
    assert willing.instructions == "Mend.\n\nRhyme."
    assert willing.tool_choice is None  # it was for the run's first answer
    begins = pinned(Agent(name="tech", instructions="Mend.", **OPEN), **asked)
    assert isinstance(begins, Pin)
    assert (begins.agent, begins.tool_choice) == ("tech", "refund")


def test_the_runs_limits_hold_for_who_takes_over() -> None:
    """Of each limit its own and the run's, the lower one."""
    tech = Agent(name="tech", instructions="Mend.", limits=Limits(max_turns=9, max_tokens=50))
    pin = pinned(tech, first_turn=2, limits=Limits(max_turns=4))
    assert isinstance(pin, Pin)
    assert pin.limits == Limits(max_turns=4, max_tokens=50)


MINI = "openai/gpt-4o-mini"
"""Its window is known: 128,000 tokens."""


@pytest.mark.parametrize(
    ("declared", "windows"),
    [
        ({"model": MINI}, {MINI: 128_000}),
        ({"model": MINI, "context_window": 9_000}, {MINI: 9_000}),
        ({"model": "hosted_vllm/own"}, {}),
        ({"model": "hosted_vllm/own", "context_window": 9_000}, {"hosted_vllm/own": 9_000}),
        (
            {"model": "hosted_vllm/own", "fallbacks": [MINI], "compaction_model": "ollama/tiny"},
            {MINI: 128_000},
        ),
        (
            {"model": "ollama/a", "fallbacks": ["ollama/b", MINI], "context_window": 9_000},
            {"ollama/a": 9_000, "ollama/b": 9_000, MINI: 128_000},
        ),
    ],
)
def test_windows(declared: dict[str, Any], windows: dict[str, int]) -> None:
    """Of each model what is known; else, and for the agent's own, what its author says."""
    pin = pinned(Agent(name="a", instructions="Help.", **declared))
    assert isinstance(pin, Pin)
    assert pin.compaction is not None
    assert (pin.compaction.how, pin.compaction.at) == ("summary", 0.7)
    assert pin.compaction.windows == windows
    assert pin.compaction.model == declared.get("compaction_model")


def test_nothing_is_left_out_where_that_is_turned_off() -> None:
    """An agent without compaction has none in its runs either."""
    pin = pinned(Agent(name="a", instructions="Help.", compaction=None))
    assert isinstance(pin, Pin)
    assert pin.compaction is None
