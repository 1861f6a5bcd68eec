"""What an agent is: frozen data that both processes import."""

import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from outlast.agent_checks import (
    check_built_in,
    check_fallbacks,
    check_final_result,
    check_handoffs,
    check_kinds,
    check_model,
    check_model_settings,
    check_on_limit,
    check_output_retries,
    check_overrides,
    check_servers,
    check_skill_folders,
    check_skills,
    check_tools,
)
from outlast.agent_tool import AgentTool, ChildThread, make_agent_tool
from outlast.built_in import READ_SKILL, SEARCH_TOOLS
from outlast.client_tool import ClientTool
from outlast.compaction import COMPACT_AT, Compaction, check_compaction
from outlast.errors import DefinitionError
from outlast.handoff import Handoff
from outlast.hooks import AnyHook, check_hooks
from outlast.instructions import Instructions, check_instructions, needed_names, read_instructions
from outlast.mcp import McpServer
from outlast.names import is_agent_name
from outlast.output import Output
from outlast.protocol import Limits, ModelSettings, OnLimit, Override
from outlast.skills import Skill, load_skills
from outlast.tool import AnyTool, Condition, Tool

DEFAULT_MAX_TURNS = 20


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
        check_kinds(self)
        if not is_agent_name(self.name):
            raise DefinitionError(
                f"agent {self.name!r}: a name starts with a lower-case letter and goes on with "
                "lower-case letters, digits, - and _, at most 63 characters in all"
            )
        # The one that calls `Agent(…)`: this function, `__init__`.
        declaring = sys._getframe(2).f_globals.get("__file__")  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # documented
        try:
            self._take_in(declaring)
        except DefinitionError as error:
            raise DefinitionError(f"agent {self.name}: {error}") from error.__cause__

    def _take_in(self, declaring: str | None) -> None:
        """Bring what was given into one form, and check that it works, and works together.

        Args:
            declaring: The file that declares the agent.
        """
        self._take_instructions(declaring)
        if self.model is not None:
            check_model(self.model, "model")
        self._set("fallbacks", tuple(self.fallbacks))
        check_fallbacks(self.model, self.fallbacks)
        self._set("tools", tuple(self.tools))
        check_tools(self.tools)
        self._take_handoffs()
        self._set("mcp", tuple(self.mcp))
        check_servers(self.mcp)
        self._take_skills(declaring)
        check_built_in(self.built_in, [each.name for each in (*self.tools, *self.transfers)])
        check_model_settings(self.model, self.model_settings, self.callable_names)
        self._set("overrides", frozenset(self.overrides))
        check_overrides(self.overrides)
        self._set("hooks", tuple(self.hooks))
        check_hooks(self.hooks)
        self._take_output()
        check_compaction(self.compaction, self.compact_at, self.context_window)
        if self.compaction_model is not None:
            check_model(self.compaction_model, "compaction_model")
        check_on_limit(self.on_limit)

    def _take_instructions(self, declaring: str | None) -> None:
        given: Any = self.instructions
        if isinstance(given, Path):
            given = read_instructions(given, declaring)
            self._set("instructions", given)
        check_instructions(given)

    def _take_handoffs(self) -> None:
        taken = [each if isinstance(each, Handoff) else Handoff(each) for each in self.handoffs]
        for handoff in taken:
            if isinstance(handoff.agent, Agent):
                handoff.told(handoff.agent)
        self._set("handoffs", tuple(taken))
        check_handoffs(self.name, taken, [tool.name for tool in self.tools])

    def _take_skills(self, declaring: str | None) -> None:
        check_skill_folders(self.skills)
        beside = Path(declaring).parent.absolute() if declaring else Path.cwd()
        self._set("skills", tuple(beside / folder for folder in self.skills))
        self._set("known_skills", load_skills(self.skills))
        check_skills(self.known_skills, self.tools, self.mcp)

    def _take_output(self) -> None:
        check_output_retries(self.output_retries)
        if self.output_type is None:
            return
        try:
            self._set("output", Output.of_type(self.output_type))
        except TypeError as error:
            raise DefinitionError(
                f"output_type is {self.output_type!r}; it must be a type that pydantic can read, "
                f"such as a BaseModel: {error}"
            ) from error
        check_final_result(self.callable_names)

    def _set(self, name: str, value: object) -> None:
        """Set a field, of which `__post_init__` knows better than its author what it is."""
        object.__setattr__(self, name, value)

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
