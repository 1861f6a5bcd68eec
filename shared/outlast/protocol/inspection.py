"""How a run was made: for who may look behind it (the right `inspect`)."""

from pydantic import Field, JsonValue

from outlast.protocol.limits import Limits
from outlast.protocol.messages import InputMessage, Message
from outlast.protocol.model_settings import ModelSettings
from outlast.protocol.overrides import Overrides
from outlast.protocol.requests import ForkedFrom, OnBusy, Origin, Webhook
from outlast.protocol.wire import Public, ThreadId, Time


class DefinedTool(Public):
    """A tool, as the run's model is told of it."""

    name: str
    """What the model calls it."""
    description: str
    """What the model is told of it."""
    parameters: dict[str, JsonValue]
    """JSON Schema of its arguments."""
    may_need_approval: bool = False
    """Whether a person may have to approve its calls."""
    deferred: bool | None = None
    """Whether the model is told of it only when it has found it by `search_tools`."""


class RunDefinition(Public):
    """What a run keeps of its agent to its end, however the agent is changed meanwhile.

    Of a run that was handed over: of the agent that speaks now, since it does.
    """

    run_id: str
    """The run."""
    agent: str
    """Whose definition it is."""
    digest: str
    """The agent's digest at that moment, as in `GET /agents`."""
    pinned_at: Time
    """When the run began to keep it."""
    model: str
    """The model that it asks, as `provider/model`."""
    fallbacks: list[str] = Field(default_factory=list[str])
    """Those that it asks when that one gives no answer."""
    model_settings: ModelSettings
    """How the model is asked."""
    instructions: str
    """The system prompt, filled in."""
    tools: list[DefinedTool]
    """What the model can call."""
    limits: Limits
    """Where it stops."""
    output_schema: dict[str, JsonValue] | None = None
    """JSON Schema of its answer; null if that is a text."""


class Prompt(Public):
    """What a run's model was sent in one turn, whatever its provider's format."""

    run_id: str
    """The run."""
    turn: int
    """The turn, counted from 1."""
    agent: str | None = None
    """Whose turn it was; null where an older worker answers."""
    model: str
    """The model that was asked."""
    instructions: str
    """The system prompt."""
    tools: list[DefinedTool]
    """What it could call, as far as it was told: of what has to be searched for, what was found."""
    messages: list[Message]
    """The conversation, as the model read it: of a tool that failed, for example, the text of the
    exception, which clients are not shown."""
    history_count: int
    """How many of them were said on the thread before the run, or sum that up."""
    summary_of: int | None = None
    """How many messages, of the thread and the run, the first one stands for, since they would have
    been too long; null if nothing is left out."""
    is_whole: bool
    """Whether nothing is missing: what was said on the thread before is read there, where it may
    have been taken back or deleted since."""


class Order(Public):
    """What a run was asked for, with all that its start said."""

    run_id: str
    """The run."""
    agent: str
    """Its agent."""
    input: list[InputMessage]
    """The input, as messages."""
    thread_id: ThreadId | None = None
    """The conversation that it goes on with, if any."""
    on_busy: OnBusy = "enqueue"
    """What was to be done while another run holds the thread."""
    stream: bool
    """Whether the model is streamed."""
    context: dict[str, JsonValue] = Field(default_factory=dict)
    """Values for the `{{…}}` of the instructions, and for tools."""
    metadata: dict[str, str] = Field(default_factory=dict)
    """Kept with the run."""
    limits: Limits = Limits()
    """Where it stops; what is left out is as its agent says."""
    after_s: float = 0
    """How late it was to start."""
    overrides: Overrides | None = None
    """What it has otherwise than its agent says; null for nothing."""
    forked_from: ForkedFrom | None = None
    """The run whose history it goes on from, if it is a fork."""
    webhooks: list[Webhook] | None = None
    """Who is told of it; null if nobody is."""
    origin: Origin | None = None
    """Through which protocol it came, if not by the native one."""
    created_at: Time
    """When it was asked for."""
