"""Refuses agents that can't work, with the way to mend them.

`outlast.agent` declares them, and puts the agent's name before what is said here; this module
only raises.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, get_args

from outlast.agent_tool import MAX_DEPTH, AgentTool
from outlast.client_tool import ClientTool
from outlast.errors import DefinitionError
from outlast.handoff import Handoff
from outlast.mcp import McpServer
from outlast.model_support import unsupported
from outlast.output import FINAL_RESULT
from outlast.protocol import Limits, ModelSettings, OnLimit, Override
from outlast.skills import Skill
from outlast.spelling import nearest
from outlast.tool import AnyTool, Tool

if TYPE_CHECKING:
    from outlast.agent import Agent

MAX_OUTPUT_RETRIES = 10
_KINDS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "name": ((str,), "a text"),
    "description": ((str, NoneType), "a text"),
    "model": ((str, NoneType), "a text, such as openai/gpt-5.4-mini"),
    "tools": ((list, tuple), "a list, such as tools=[refund]"),
    "handoffs": ((list, tuple), "a list, such as handoffs=[billing]"),
    "sticky_handoff": ((bool,), "True or False"),
    "hooks": ((list, tuple), "a list, such as hooks=[mask_cards]"),
    "on_limit": ((str,), '"stop" or "approve"'),
    "limits": ((Limits,), "Limits, such as Limits(max_turns=5)"),
    "fallbacks": ((list, tuple), "a list, such as ['anthropic/claude-sonnet-4-5']"),
    "fallback_on_refusal": ((bool,), "True or False"),
    "keep_reasoning": ((bool,), "True or False"),
    "model_settings": ((ModelSettings,), "ModelSettings, such as ModelSettings(temperature=0)"),
    "output_retries": ((int,), "a number, such as 2"),
    "compact_at": ((float,), "a part of the model's window, such as 0.7"),
    "compaction_model": ((str, NoneType), "a text, such as openai/gpt-5.4-mini"),
    "context_window": ((int, NoneType), "a number of tokens, such as 128_000"),
    "mcp": ((list, tuple), 'a list, such as mcp=[McpServer("time", command=["mcp-server-time"])]'),
    "skills": ((list, tuple), 'a list, such as skills=[Path("skills")]'),
    "search_tools": ((bool,), "True or False"),
    "overrides": ((set, frozenset, list, tuple), 'a set, such as {"options", "instructions"}'),
}


def check_kinds(agent: "Agent") -> None:
    """Refuse fields that are not what they have to be.

    Raises:
        DefinitionError: With the fix.
    """
    for name, (kinds, wanted) in _KINDS.items():
        value = getattr(agent, name)
        if not isinstance(value, kinds):
            raise DefinitionError(f"agent {agent.name!r}: {name} is {value!r}; it must be {wanted}")


def check_model(model: str, where: str) -> None:
    """Refuse a model string without its provider.

    Raises:
        DefinitionError: With the fix.
    """
    provider, slash, name = model.partition("/")
    if not (provider and slash and name):
        raise DefinitionError(
            f"{where} is {model!r}; write provider/model, such as openai/gpt-5.4-mini"
        )


def check_fallbacks(first: str | None, fallbacks: Sequence[str]) -> None:
    """Refuse a model that is asked twice.

    Raises:
        DefinitionError: With the fix.
    """
    seen = {first}
    for model in fallbacks:
        check_model(model, "a model of fallbacks")
        if model in seen:
            raise DefinitionError(f"fallbacks: {model} is asked already; leave it out")
        seen.add(model)


def check_tools(tools: Sequence[Any]) -> None:
    """Refuse what is no tool, two of one name, and agents that call each other too deep.

    Raises:
        DefinitionError: With the fix.
    """
    seen: set[str] = set()
    for tool in tools:
        if hasattr(tool, "as_tool"):
            raise DefinitionError(
                f"the agent {tool.name} is no tool yet; write {tool.name}.as_tool()"
            )
        if not isinstance(tool, Tool | ClientTool | AgentTool):
            raise DefinitionError(f"{tool!r} is no tool; decorate the function with @tool")
        if tool.name in seen:
            raise DefinitionError(
                f"two tools are called {tool.name!r}; rename one with @tool(name=…), or "
                "as_tool(name=…)"
            )
        seen.add(tool.name)
    if _depth_of(tool for tool in tools if isinstance(tool, AgentTool)) > MAX_DEPTH:
        raise DefinitionError(
            f"it calls agents that call agents, more than {MAX_DEPTH} deep; runs may not be that "
            "deep"
        )


def _depth_of(called: Iterable[AgentTool]) -> int:
    return max((1 + _depth_of(tool.agent.agent_tools) for tool in called), default=0)


def check_handoffs(name: str, handoffs: Sequence[Handoff], tools: Collection[str]) -> None:
    """Refuse one to the agent itself, and one that is called as a tool or another one is.

    Raises:
        DefinitionError: With the fix.
    """
    seen = set(tools)
    for handoff in handoffs:
        if handoff.target == name:
            raise DefinitionError("it can't hand over to itself; leave that out of handoffs")
        if handoff.name in seen:
            raise DefinitionError(
                f"two of its tools and handoffs are called {handoff.name!r}; rename one with "
                "Handoff(…, name=…), or @tool(name=…)"
            )
        seen.add(handoff.name)


def check_servers(servers: Sequence[Any]) -> None:
    """Refuse what is no MCP server, and two of one name.

    Raises:
        DefinitionError: With the fix.
    """
    names: set[str] = set()
    for server in servers:
        if not isinstance(server, McpServer):
            raise DefinitionError(f"{server!r} in mcp is no McpServer")
        if server.name in names:
            raise DefinitionError(f"two MCP servers are called {server.name!r}; rename one")
        names.add(server.name)


def check_skill_folders(folders: Sequence[Any]) -> None:
    """Refuse what is no path.

    Raises:
        DefinitionError: With the fix.
    """
    for folder in folders:
        if not isinstance(folder, Path):
            raise DefinitionError(f"{folder!r} in skills is no Path; write Path({folder!r})")


def check_skills(
    skills: Sequence[Skill],
    tools: Sequence[AnyTool | ClientTool | AgentTool],
    servers: Sequence[McpServer],
) -> None:
    """Refuse skills that the model would mix up with something else.

    Raises:
        DefinitionError: With the fix.
    """
    taken = {tool.name: "a tool" for tool in tools}
    taken |= {server.name: "an MCP server" for server in servers}
    for skill in skills:
        if skill.name in taken:
            raise DefinitionError(
                f"a skill and {taken[skill.name]} are called {skill.name!r}, which the model "
                "would mix up; rename one"
            )


def check_built_in(names: Sequence[str], own: Collection[str]) -> None:
    """Refuse tools of an agent's own that are called as those that the worker brings along.

    Raises:
        DefinitionError: With the fix.
    """
    for name in names:
        if name in own:
            raise DefinitionError(
                f"the worker brings a tool {name!r} along for it; rename its own with "
                "@tool(name=…), or Handoff(…, name=…)"
            )


def check_model_settings(
    model: str | None, settings: ModelSettings, callable_names: Sequence[str]
) -> None:
    """Refuse what a model does not take, and the choice of a tool that is not there.

    Raises:
        DefinitionError: With the fix.
    """
    for name, why in unsupported(model or "", settings).items():
        raise DefinitionError(f"{model} takes no {name}: {why}; leave it out")
    choice = settings.tool_choice
    if choice not in (None, "auto", "none", "required", *callable_names):
        raise DefinitionError(
            f"tool_choice is {choice!r}; write auto, none, required, or one of its tools "
            f"({', '.join(callable_names) or 'it has none'})"
        )


def check_overrides(overrides: Collection[Any]) -> None:
    """Refuse what no run may have otherwise.

    Raises:
        DefinitionError: With the fix.
    """
    known = get_args(Override)
    for name in overrides:
        if name not in known:
            meant = nearest(str(name), known)
            hint = f"did you mean {meant!r}?" if meant else f"there are {', '.join(known)}"
            raise DefinitionError(f"overrides: nothing is called {name!r}; {hint}")


def check_output_retries(retries: int) -> None:
    """Refuse too many.

    Raises:
        DefinitionError: With the fix.
    """
    if not 0 <= retries <= MAX_OUTPUT_RETRIES:
        raise DefinitionError(
            f"output_retries is {retries}; it must be between 0 and {MAX_OUTPUT_RETRIES}"
        )


def check_final_result(callable_names: Collection[str]) -> None:
    """Refuse a tool that is called as the one by which an answer with a type is given.

    Raises:
        DefinitionError: With the fix.
    """
    if FINAL_RESULT in callable_names:
        raise DefinitionError(
            f"with output_type no tool may be called {FINAL_RESULT!r}; rename it with @tool(name=…)"
        )


def check_on_limit(on_limit: str) -> None:
    """Refuse what nothing does at a limit.

    Raises:
        DefinitionError: With the fix.
    """
    if on_limit not in get_args(OnLimit):
        raise DefinitionError(f'on_limit is {on_limit!r}; it must be "stop" or "approve"')
