"""What an agent is: frozen data that both processes import."""

import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from pydantic import BaseModel

from outlast.agent_tool import MAX_DEPTH, AgentTool, ChildThread, make_agent_tool
from outlast.built_in import READ_SKILL, SEARCH_TOOLS
from outlast.client_tool import ClientTool
from outlast.compaction import COMPACT_AT, Compaction, check_compaction
from outlast.errors import DefinitionError
from outlast.handoff import Handoff
from outlast.hooks import AnyHook, check_hooks
from outlast.instructions import (
    Instructions,
    check_instructions,
    needed_names,
    read_instructions,
)
from outlast.mcp import McpServer
from outlast.model_support import unsupported
from outlast.names import is_agent_name
from outlast.output import FINAL_RESULT, Output
from outlast.protocol import Limits, ModelSettings, OnLimit, Override
from outlast.skills import Skill, load_skills
from outlast.spelling import nearest
from outlast.tool import AnyTool, Condition, Tool

DEFAULT_MAX_TURNS = 20
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


@dataclass(frozen=True, kw_only=True)
class Agent:
    """An agent: who it is, what it may call, where it stops.

    Args:
        name: In URLs and in Restate: lower-case letters, digits, `-` and `_`.
        instructions: The system prompt; `{{name}}`, or `{{name|default}}`, is filled in from the
            run's `context`. A `Path` names a file of it, relative to the agent's; a function
            (`async` or not) makes it, once for each run, from a `RunContext`.
        description: One line for people and for other agents.
        model: A litellm model string such as `openai/gpt-5.4-mini`; the setting `MODEL` if None.
        tools: Functions decorated with `@tool`, what `client_tool` returns, and other agents
            (`researcher.as_tool()`).
        handoffs: Agents that may take its runs over, such as `[billing, tech]`: those themselves,
            their names, or `Handoff(billing, description="…")`.
        sticky_handoff: Whether a thread remembers who took over: its next run of this agent then
            begins with that one.
        limits: Where its runs stop; a run may set lower ones.
        on_limit: What happens there: `stop` ends the run as incomplete; `approve` asks a person
            first, who may raise the limit.
        fallbacks: Models that are asked, in this order, when the one before is unavailable for
            longer, refuses (its key, its quota, its name) or can't take the input.
        fallback_on_refusal: Ask them, too, when a provider's filter refuses input or answer.
        keep_reasoning: Keep what the model thought in messages, for clients to read.
        model_settings: How the model is asked, such as `ModelSettings(temperature=0)`.
        mcp: MCP servers, whose tools it can call, too.
        skills: Folders with a `SKILL.md` (https://agentskills.io), or folders of such folders,
            relative to the agent's file. The model is told of them, and reads those it needs.
        search_tools: Whether the model is told of tools only when it has searched for such ones:
            of all that are not `deferred=False`.
        overrides: What a run may have otherwise: `options` (how the model is called; all that is
            allowed by default), `instructions` (more of them), `tool_choice`, `output_schema`.
        output_type: What the answer has to be: any type that pydantic reads. `Run.output` is then
            the parsed value, not a text.
        output_retries: How often the model may try again after an answer that is not.
        hooks: Functions that look at what goes to models and tools and comes from there, and may
            change or refuse it, such as `hooks=[mask_cards, input_guardrail(is_on_topic)]`.
        compaction: What becomes of the beginning of a conversation that grows too long for its
            model: a model sums it up (`summary`), or it is left out (`window`). None: nothing, and
            the run fails when it no longer fits.
        compact_at: At which part of the model's window that is done.
        compaction_model: The model that sums up; the agent's own if None.
        context_window: How many tokens the agent's model can read, where that is not known or is to
            be less.

    Raises:
        DefinitionError: Something can't work; the message says how to mend it.
    """

    name: str
    instructions: Instructions
    description: str | None = None
    model: str | None = None
    tools: Sequence[AnyTool | ClientTool | AgentTool] = ()
    handoffs: "Sequence[Agent | str | Handoff]" = ()
    sticky_handoff: bool = False
    limits: Limits = field(default_factory=lambda: Limits(max_turns=DEFAULT_MAX_TURNS))
    on_limit: OnLimit = "stop"
    fallbacks: Sequence[str] = ()
    fallback_on_refusal: bool = False
    keep_reasoning: bool = False
    model_settings: ModelSettings = field(default_factory=ModelSettings)
    mcp: Sequence[McpServer] = ()
    skills: Sequence[Path] = ()
    search_tools: bool = False
    overrides: Collection[Override] = frozenset({"options"})
    hooks: Sequence[AnyHook] = ()
    output_type: Any = None
    output_retries: int = 2
    compaction: Compaction | None = "summary"
    compact_at: float = COMPACT_AT
    compaction_model: str | None = None
    context_window: int | None = None
    output: Output | None = field(init=False, repr=False, compare=False, default=None)
    """What `output_type` asks for."""
    known_skills: Sequence[Skill] = field(init=False, repr=False, compare=False, default=())
    """What is in the folders of `skills`."""

    def __post_init__(self) -> None:
        """Check the declaration, when the agent's file is imported."""
        self._check_kinds()
        if not is_agent_name(self.name):
            raise DefinitionError(
                f"agent {self.name!r}: a name starts with a lower-case letter and goes on with "
                "lower-case letters, digits, - and _, at most 63 characters in all"
            )
        # The one that calls `Agent(…)`: this function, `__init__`.
        declaring = sys._getframe(2).f_globals.get("__file__")  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # documented
        self._take_instructions(declaring)
        if self.model is not None:
            check_model(self.model, f"agent {self.name}: model")
        object.__setattr__(self, "fallbacks", tuple(self.fallbacks))
        self._check_fallbacks()
        object.__setattr__(self, "tools", tuple(self.tools))
        self._check_tools()
        self._take_handoffs()
        object.__setattr__(self, "mcp", tuple(self.mcp))
        self._check_servers()
        self._take_skills(declaring)
        self._check_built_in()
        self._check_model_settings()
        object.__setattr__(self, "overrides", frozenset(self.overrides))
        self._check_overrides()
        object.__setattr__(self, "hooks", tuple(self.hooks))
        try:
            check_hooks(self.hooks)
        except DefinitionError as error:
            raise DefinitionError(f"agent {self.name}: {error}") from error
        self._check_output()
        self._check_compaction()
        if self.on_limit not in get_args(OnLimit):
            raise DefinitionError(
                f'agent {self.name}: on_limit is {self.on_limit!r}; it must be "stop" or "approve"'
            )

    def _check_kinds(self) -> None:
        for name, (kinds, wanted) in _KINDS.items():
            value = getattr(self, name)
            if not isinstance(value, kinds):
                raise DefinitionError(
                    f"agent {self.name!r}: {name} is {value!r}; it must be {wanted}"
                )

    def _take_instructions(self, declaring: str | None) -> None:
        given: Any = self.instructions
        try:
            if isinstance(given, Path):
                given = read_instructions(given, declaring)
                object.__setattr__(self, "instructions", given)
            check_instructions(given)
        except DefinitionError as error:
            raise DefinitionError(f"agent {self.name}: {error}") from error

    def _check_tools(self) -> None:
        seen: set[str] = set()
        for tool in self.tools:
            if isinstance(tool, Agent):
                raise DefinitionError(
                    f"agent {self.name}: the agent {tool.name} is no tool yet; write "
                    f"{tool.name}.as_tool()"
                )
            if not isinstance(tool, Tool | ClientTool | AgentTool):  # pyright: ignore[reportUnnecessaryIsInstance]  # authors are not type-checked
                raise DefinitionError(
                    f"agent {self.name}: {tool!r} is no tool; decorate the function with @tool"
                )
            if tool.name in seen:
                raise DefinitionError(
                    f"agent {self.name}: two tools are called {tool.name!r}; "
                    "rename one with @tool(name=…), or as_tool(name=…)"
                )
            seen.add(tool.name)
        if _depth_below(self) > MAX_DEPTH:
            raise DefinitionError(
                f"agent {self.name}: it calls agents that call agents, more than {MAX_DEPTH} deep; "
                "runs may not be that deep"
            )

    def _take_handoffs(self) -> None:
        try:
            taken = [each if isinstance(each, Handoff) else Handoff(each) for each in self.handoffs]
            for handoff in taken:
                if isinstance(handoff.agent, Agent):
                    handoff.told(handoff.agent)
        except DefinitionError as error:
            raise DefinitionError(f"agent {self.name}: {error}") from error
        object.__setattr__(self, "handoffs", tuple(taken))
        seen = {tool.name for tool in self.tools}
        for handoff in taken:
            if handoff.target == self.name:
                raise DefinitionError(
                    f"agent {self.name}: it can't hand over to itself; leave that out of handoffs"
                )
            if handoff.name in seen:
                raise DefinitionError(
                    f"agent {self.name}: two of its tools and handoffs are called "
                    f"{handoff.name!r}; rename one with Handoff(…, name=…), or @tool(name=…)"
                )
            seen.add(handoff.name)

    def _check_fallbacks(self) -> None:
        seen = {self.model}
        for model in self.fallbacks:
            check_model(model, f"agent {self.name}: a model of fallbacks")
            if model in seen:
                raise DefinitionError(
                    f"agent {self.name}: fallbacks: {model} is asked already; leave it out"
                )
            seen.add(model)

    def _check_servers(self) -> None:
        names: set[str] = set()
        for server in self.mcp:
            if not isinstance(server, McpServer):  # pyright: ignore[reportUnnecessaryIsInstance]  # authors are not type-checked
                raise DefinitionError(f"agent {self.name}: {server!r} in mcp is no McpServer")
            if server.name in names:
                raise DefinitionError(
                    f"agent {self.name}: two MCP servers are called {server.name!r}; rename one"
                )
            names.add(server.name)

    def _take_skills(self, declaring: str | None) -> None:
        for folder in self.skills:
            if not isinstance(folder, Path):  # pyright: ignore[reportUnnecessaryIsInstance]  # authors are not type-checked
                raise DefinitionError(
                    f"agent {self.name}: {folder!r} in skills is no Path; write Path({folder!r})"
                )
        beside = Path(declaring).parent.absolute() if declaring else Path.cwd()
        object.__setattr__(self, "skills", tuple(beside / folder for folder in self.skills))
        try:
            object.__setattr__(self, "known_skills", load_skills(self.skills))
        except DefinitionError as error:
            raise DefinitionError(f"agent {self.name}: {error}") from error
        taken = {tool.name: "a tool" for tool in self.tools}
        taken |= {server.name: "an MCP server" for server in self.mcp}
        for skill in self.known_skills:
            if skill.name in taken:
                raise DefinitionError(
                    f"agent {self.name}: a skill and {taken[skill.name]} are called "
                    f"{skill.name!r}, which the model would mix up; rename one"
                )

    def _check_built_in(self) -> None:
        own = {each.name for each in (*self.tools, *self.transfers)}
        for name in self.built_in:
            if name in own:
                raise DefinitionError(
                    f"agent {self.name}: the worker brings a tool {name!r} along for it; rename "
                    "its own with @tool(name=…), or Handoff(…, name=…)"
                )

    def _check_model_settings(self) -> None:
        for name, why in unsupported(self.model or "", self.model_settings).items():
            raise DefinitionError(
                f"agent {self.name}: {self.model} takes no {name}: {why}; leave it out"
            )
        choice = self.model_settings.tool_choice
        tools = self.callable_names
        if choice not in (None, "auto", "none", "required", *tools):
            raise DefinitionError(
                f"agent {self.name}: tool_choice is {choice!r}; write auto, none, required, or "
                f"one of its tools ({', '.join(tools) or 'it has none'})"
            )

    def _check_output(self) -> None:
        if not 0 <= self.output_retries <= MAX_OUTPUT_RETRIES:
            raise DefinitionError(
                f"agent {self.name}: output_retries is {self.output_retries}; it must be between "
                f"0 and {MAX_OUTPUT_RETRIES}"
            )
        if self.output_type is None:
            return
        try:
            object.__setattr__(self, "output", Output.of_type(self.output_type))
        except TypeError as error:
            raise DefinitionError(
                f"agent {self.name}: output_type is {self.output_type!r}; it must be a type that "
                f"pydantic can read, such as a BaseModel: {error}"
            ) from error
        if FINAL_RESULT in self.callable_names:
            raise DefinitionError(
                f"agent {self.name}: with output_type no tool may be called {FINAL_RESULT!r}; "
                "rename it with @tool(name=…)"
            )

    def _check_compaction(self) -> None:
        try:
            check_compaction(self.compaction, self.compact_at, self.context_window)
        except DefinitionError as error:
            raise DefinitionError(f"agent {self.name}: {error}") from error
        if self.compaction_model is not None:
            check_model(self.compaction_model, f"agent {self.name}: compaction_model")

    def _check_overrides(self) -> None:
        known = get_args(Override)
        for name in self.overrides:
            if name not in known:
                meant = nearest(str(name), known)
                hint = f"did you mean {meant!r}?" if meant else f"there are {', '.join(known)}"
                raise DefinitionError(
                    f"agent {self.name}: overrides: nothing is called {name!r}; {hint}"
                )

    @property
    def placeholders(self) -> tuple[str, ...]:
        """The names that a run's context must have: its own, and those of agents that it calls.

        For agents that it hands over to, see `Teams.context_of`.
        """
        own = needed_names(self.instructions) if isinstance(self.instructions, str) else ()
        handed_down = (tool.agent.placeholders for tool in self.agent_tools if tool.context)
        return tuple(dict.fromkeys([*own, *chain.from_iterable(handed_down)]))

    @property
    def built_in(self) -> Sequence[str]:
        """The names of the tools that the worker brings along for it."""
        may_defer = (
            self.search_tools
            or any(tool.deferred for tool in self.tools)
            or any(server.deferred for server in self.mcp)
        )
        return [
            *([READ_SKILL] if self.known_skills else ()),
            *([SEARCH_TOOLS] if may_defer else ()),
        ]

    def defers(self, tool: AnyTool | ClientTool | AgentTool) -> bool:
        """Tell whether the model has to search for a tool before it is told of it."""
        return self.search_tools if tool.deferred is None else tool.deferred

    @property
    def functions(self) -> Sequence[AnyTool]:
        """The tools that the worker runs."""
        return [tool for tool in self.tools if isinstance(tool, Tool)]

    @property
    def agent_tools(self) -> Sequence[AgentTool]:
        """The tools that are agents."""
        return [tool for tool in self.tools if isinstance(tool, AgentTool)]

    @property
    def transfers(self) -> Sequence[Handoff]:
        """Its handoffs."""
        return [handoff for handoff in self.handoffs if isinstance(handoff, Handoff)]

    @property
    def callable_names(self) -> Sequence[str]:
        """What its model can call: tools, handoffs and what is built in, but nothing of servers."""
        return [*(each.name for each in (*self.tools, *self.transfers)), *self.built_in]

    def as_tool(
        self,
        *,
        name: str | None = None,
        description: str | None = None,
        input: type[BaseModel] | None = None,  # noqa: A002  # as a run's
        thread: ChildThread = "none",
        context: bool = True,
        needs_approval: bool | Condition = False,
        approval_timeout: timedelta | None = None,
        deferred: bool | None = None,
    ) -> AgentTool:
        """Make a tool of it, for other agents: each call is a run of its own.

        Args:
            name: What the calling model calls it; the agent's name if not given.
            description: What it is for, for the calling model; the agent's if not given.
            input: A pydantic model of what it is asked, which it gets as JSON; a text if None.
            thread: `none`: it remembers nothing between calls. `own`: it goes on with what was
                said in its earlier calls, on a conversation of its own beside the calling run's
                thread (or beside that run, if it is on none).
            context: Whether it gets the calling run's `context`.
            needs_approval: Whether a person must approve what it is asked before it is; or a
                function that says so of one call. It takes those of the input model's fields that
                it names (`input`, where it is a text), and a `ToolContext` if it asks for one.
            approval_timeout: After this long without a decision it is not asked; 365 days at most,
                for ever if None.
            deferred: As of `@tool`.

        Raises:
            DefinitionError: The declaration can't work; the message says how to mend it.
        """
        return make_agent_tool(
            self,
            name,
            description,
            input,
            thread,
            context=context,
            needs_approval=needs_approval,
            approval_timeout=approval_timeout,
            deferred=deferred,
        )


def may_ask_people(agent: Agent) -> bool:
    """Tell whether an agent, or one that it calls, may wait for somebody outside."""
    return (
        agent.on_limit == "approve"
        or bool(agent.mcp)  # whose tools may happen `once`: only the servers know
        or any(tool.signals for tool in agent.functions)
        or "client_tools" in agent.overrides
        or any(tool.needs_approval or tool.effect == "once" for tool in agent.functions)
        or any(isinstance(tool, ClientTool) for tool in agent.tools)
        or any(hook.point == "before_tool" for hook in agent.hooks)
        or any(tool.needs_approval or may_ask_people(tool.agent) for tool in agent.agent_tools)
    )


def _depth_below(agent: Agent) -> int:
    return max((1 + _depth_below(tool.agent) for tool in agent.agent_tools), default=0)


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
