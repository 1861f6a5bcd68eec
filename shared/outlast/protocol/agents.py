"""What an agent is, as both processes know it."""

from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue

from outlast.protocol.limits import Limits, OnLimit
from outlast.protocol.model_settings import ModelSettings
from outlast.protocol.overrides import Override
from outlast.protocol.wire import OrNewer, Public


class ToolDescription(Public):
    """A tool, as the model is told of it and as it is carried out."""

    name: str
    """What the model calls it."""
    description: str | None = None
    """What the model is told of it; null for keys without the right `inspect`."""
    parameters: dict[str, JsonValue] | None = None
    """JSON Schema of its arguments; null for keys without the right `inspect`."""
    kind: Annotated[Literal["function", "client", "agent"], OrNewer] = "function"
    """Who runs it: the worker (`function`), a client, which sends the result
    (`client`), or another agent, in a run of its own (`agent`)."""
    agent: str | None = None
    """The agent that a call starts a run of; null for other tools."""
    child_thread: Literal["none", "own"] | None = None
    """Whether that agent remembers its earlier calls (`own`); null for other tools."""
    child_context: bool | None = None
    """Whether that agent gets the run's `context`; null for other tools."""
    effect: str | None = None
    """What may happen when a worker dies in the middle of a call. `read`: it may run again at any
    time. `idempotent`: it runs again, with the same idempotency key. `once`: it does not; a call of
    which nobody knows whether it ran is in doubt. Null for an agent, whose run goes on."""
    verifies: bool = False
    """Of a `once` tool: whether it finds out itself about a call in doubt, before a person is
    asked."""
    timeout_s: float | None = None
    """How long one attempt may take; of a client's, how long a call waits for its result. Null for
    an agent, whose limits say where it stops."""
    retries: int | None = None
    """How often an attempt that fails is repeated; null for an agent."""
    needs_approval: bool | Literal["sometimes"] = False
    """Whether a person must approve a call; `sometimes`: it depends on the call."""
    approval_timeout_s: float | None = None
    """How long a call waits for a person; null for as long as it takes."""
    durable: bool | None = None
    """Whether a call has a journal of its own, and may take days; null if it has none. Then
    `timeout_s` is of the whole call, and `retries` of each of its steps."""
    signals: list[str] | None = None
    """What may be sent to such a call: `POST /runs/{run_id}/signals/{name}`."""
    deferred: bool | None = None
    """Whether the model is told of it only when it has searched for such a tool; null if it is told
    from the start."""


class SkillDescription(Public):
    """A skill: instructions for a particular task, which the model reads when it needs them."""

    name: str
    """What it is called, in instructions and in calls of `read_skill`."""
    description: str | None = None
    """What the model is told of it before it reads it; null for keys without the right
    `inspect`."""
    license: str | None = None
    """Under which licence it stands, if it says so."""
    compatibility: str | None = None
    """What it needs, if it says so."""
    metadata: dict[str, str] = Field(default_factory=dict[str, str])
    """What else it says of itself."""
    digest: str
    """A hash of all that the model can read of it."""


class HandoffDescription(Public):
    """Another agent that may take an agent's runs over."""

    agent: str
    """Who takes over."""
    name: str
    """What the model calls to have it take over."""
    description: str | None = None
    """What the model is told of it; null for keys without the right `inspect`."""
    parameters: dict[str, JsonValue] | None = None
    """JSON Schema of what it has to say of it; null for keys without the right `inspect`."""


class HookDescription(Public):
    """A function of the author's that is called at a fixed point of a run."""

    point: Annotated[
        Literal["before_model", "after_model", "before_tool", "after_tool", "on_end"], OrNewer
    ]
    """When it is called."""
    name: str
    """What it is called in errors."""


class AgentDescription(Public):
    """An agent."""

    name: str
    """In addresses: `POST /agents/{agent}/runs`."""
    description: str | None = None
    """One line of its author's."""
    model: str
    """The model that it runs with, as `provider/model`."""
    fallbacks: list[str] = Field(default_factory=list[str])
    """The models that are asked when that one gives no answer, in this order."""
    model_settings: ModelSettings | None = None
    """How the model is asked; null for keys without the right `inspect`."""
    instructions: str | None = None
    """Its system prompt; `{{name}}` is filled in from a run's `context`, or with what stands behind
    `|`. One that is made for each run is not shown. Null for keys without the
    right `inspect`."""
    context: list[str]
    """The names that a run's `context` must have: those without a default."""
    limits: Limits
    """Where its runs stop, unless they themselves say sooner."""
    on_limit: Annotated[OnLimit, OrNewer] = "stop"
    """What happens there: the run ends (`stop`), or a person is asked (`approve`)."""
    overrides: list[Annotated[Override, OrNewer]] = Field(default_factory=list[Override])
    """What a run may have otherwise: fields of a start."""
    output_schema: dict[str, JsonValue] | None = None
    """JSON Schema of its answers; null if they are texts."""
    tools: list[ToolDescription]
    """What it can call."""
    handoffs: list[HandoffDescription] = Field(default_factory=list[HandoffDescription])
    """Which agents may take its runs over."""
    sticky_handoff: bool = False
    """Whether a thread remembers who took over: its next run of this agent begins with that one."""
    hooks: list[HookDescription] = Field(default_factory=list[HookDescription])
    """What looks at its runs, and may change or refuse what is asked, answered or called."""
    mcp: list[str] = Field(default_factory=list[str])
    """The MCP servers whose tools it can call, too."""
    skills: list[SkillDescription] = Field(default_factory=list[SkillDescription])
    """What it can read when it needs that, by calling `read_skill`."""
    search_tools: bool = False
    """Whether its model has to search for some tools, by calling `search_tools`: for those that are
    `deferred`, and those of MCP servers that are."""
    compaction: Annotated[Literal["summary", "window"], OrNewer] | None = None
    """What becomes of the beginning of a conversation that grows too long: a model sums it up
    (`summary`), or it is left out (`window`). Null: nothing."""
    compact_at: float = 0.7
    """At which part of the model's window that is done."""
    compaction_model: str | None = None
    """The model that sums up; null for the one that runs."""
    context_window: int | None = None
    """How many tokens its model can read, as its author says; null for what is known of it."""
    digest: str
    """A hash of all this, by which app and worker compare what they know."""

    def without_definition(self) -> Self:
        """Return what somebody needs to know to call the agent, without what its model is told."""
        told = {"description": None, "parameters": None}
        tools = [tool.model_copy(update=told) for tool in self.tools]
        handoffs = [handoff.model_copy(update=told) for handoff in self.handoffs]
        skills = [skill.model_copy(update={"description": None}) for skill in self.skills]
        hidden = {"instructions": None, "model_settings": None}
        shown = {"tools": tools, "handoffs": handoffs, "skills": skills}
        return self.model_copy(update={**hidden, **shown})


class AgentPage(Public):
    """A page of agents, in the order in which they are registered."""

    items: list[AgentDescription]
    """The agents."""
    next_cursor: str | None = None
    """Pass it as `cursor` for the next page; null at the end."""
