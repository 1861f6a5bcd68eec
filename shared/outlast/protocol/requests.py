"""What clients send, and what they hear of it beside the run."""

from typing import Annotated, Literal, get_args

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationInfo,
    field_validator,
)
from pydantic_core import to_json

from outlast.protocol.limits import Limits
from outlast.protocol.messages import Input
from outlast.protocol.overrides import Overrides
from outlast.protocol.wire import OrNewer, Public, ThreadId

History = Literal["append", "replace"]
NO_RUN = "none"
OnBusy = Literal["enqueue", "reject", "interrupt", "steer"]
WebhookEventType = Literal["run.waiting", "run.ended"]

MAX_METADATA_BYTES = 16 * 1024
MAX_ORIGIN_BYTES = 32 * 1024
MAX_DELAY_S = 365 * 24 * 3600
MAX_WEBHOOKS = 4


def _check_size(metadata: dict[str, str]) -> dict[str, str]:
    if len(to_json(metadata)) > MAX_METADATA_BYTES:
        raise ValueError(f"takes up to {MAX_METADATA_BYTES} bytes as JSON: lists show it")
    return metadata


Metadata = Annotated[dict[str, str], AfterValidator(_check_size)]


class Origin(Public):
    """What a run was asked for in, where that was another protocol."""

    protocol: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.-]{1,64}$")]
    """The protocol's name."""
    request: dict[str, JsonValue] = Field(default_factory=dict)
    """What its client sent, as far as it is to be shown again."""


class Webhook(Public):
    """Somebody who is told of a run, by signed requests as Standard Webhooks describes them."""

    url: Annotated[str, StringConstraints(min_length=1, max_length=2000)]
    """Where events are posted: `https:`, at a host of the setting `WEBHOOK_HOSTS`. It is kept with
    the run and shown with it, so put no secret into it."""
    events: Annotated[
        list[Annotated[WebhookEventType, OrNewer]], Field(min_length=1, max_length=8)
    ] = Field(default_factory=lambda: list(get_args(WebhookEventType)))
    """Of what: that the run waits for somebody outside (`run.waiting`), that it has ended
    (`run.ended`); by default both."""
    secret: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    """Which secret signs: a name in the setting `WEBHOOK_SECRETS`, never the secret itself."""


def _check_events(webhooks: list[Webhook] | None) -> list[Webhook] | None:
    known = get_args(WebhookEventType)
    for event in (event for webhook in webhooks or () for event in webhook.events):
        if event not in known:
            raise ValueError(f"there is no event {event[:40]!r}; there are {', '.join(known)}")
    return webhooks


class StartRun(Overrides):
    """What starts a run."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"input": "My desk lamp arrived broken. Please refund order A-1001."},
                {
                    "input": [
                        {
                            "role": "user",
                            "content": [
                                {"type": "text", "text": "What is wrong with this lamp?"},
                                {"type": "image", "url": "https://example.org/lamp.jpg"},
                            ],
                        }
                    ],
                    "thread_id": "customer-7",
                    "on_busy": "steer",
                    "metadata": {"ticket": "4711"},
                    "limits": {"max_turns": 5},
                },
            ]
        }
    )

    input: Input
    """What the agent is asked: a text, or messages of which the last one is a user's."""
    thread_id: ThreadId | None = None
    """The conversation that the run goes on with: a name of your choice, made at its first use and
    shared by all agents. Without it nothing is remembered."""
    on_busy: OnBusy | None = None
    """While another run holds the thread: wait in line (`enqueue`, the default), start no run
    (`reject`), cancel that run and go next (`interrupt`), or hand the input to that run
    (`steer`)."""
    history: History | None = None
    """Go on with what was said on the thread (`append`, the default), or put the input, and what
    comes of it, in its place (`replace`): the run then reads nothing of it."""
    after_run: Annotated[str, StringConstraints(max_length=200)] | None = None
    """Start only if this is the run that the thread has taken last, else 409 `thread-moved`; `none`
    if it has taken none yet."""
    stream: bool | None = Field(default=None, strict=True)
    """Whether the model is streamed, so that there are live events; by default unless the request
    is a plain one, which waits for the end."""
    context: dict[str, JsonValue] = Field(default_factory=dict)
    """Values for the `{{…}}` of the instructions, and for tools."""
    metadata: Metadata = Field(default_factory=dict)
    """Kept with the run and shown with it, in lists, too: 16 KiB at most. Nothing else is done
    with it."""
    limits: Limits = Limits()
    """Where this run stops: of each limit, this one's and its agent's, the lower one counts."""
    after_s: float = Field(default=0, ge=0, le=MAX_DELAY_S, strict=True)
    """Start the run this late."""
    origin: Origin | None = None
    """Kept with the run, and shown with it: 32 KiB at most. Nothing else is done with it."""
    webhooks: Annotated[list[Webhook], Field(min_length=1, max_length=MAX_WEBHOOKS)] | None = None
    """Who is told, by signed requests, that the run waits for somebody or has ended. Of a start
    whose input another run takes (`steered`), nobody is."""

    @field_validator("origin")
    @classmethod
    def _is_brief(cls, origin: Origin | None) -> Origin | None:
        if origin and len(to_json(origin)) > MAX_ORIGIN_BYTES:
            raise ValueError(f"takes up to {MAX_ORIGIN_BYTES} bytes as JSON")
        return origin

    _has_known_events = field_validator("webhooks")(_check_events)

    # A field's check sees the fields above it, and only those that are valid.
    @field_validator("on_busy")
    @classmethod
    def _needs_a_thread(cls, on_busy: OnBusy | None, others: ValidationInfo) -> OnBusy | None:
        if on_busy and others.data.get("thread_id", "") is None:
            raise ValueError("on_busy needs a thread_id: without a thread nothing can be busy")
        return on_busy

    @field_validator("history", "after_run")
    @classmethod
    def _is_of_a_thread(cls, value: str | None, others: ValidationInfo) -> str | None:
        if value and others.data.get("thread_id", "") is None:
            raise ValueError(f"{others.field_name} needs a thread_id")
        if value == "replace" and others.data.get("on_busy") == "steer":
            raise ValueError("steer adds to what a run says on the thread; it replaces nothing")
        return value

    @field_validator("after_s")
    @classmethod
    def _is_not_decided_at_once(cls, after_s: float, others: ValidationInfo) -> float:
        on_busy = others.data.get("on_busy")
        if after_s and on_busy in ("reject", "steer"):
            raise ValueError(f"on_busy {on_busy} is decided at once: leave out after_s")
        if after_s and others.data.get("after_run"):
            raise ValueError("after_run is decided at once: leave out after_s")
        return after_s


Definition = Literal["pinned", "current"]


class ForkedFrom(Public):
    """Where a run goes on from: what another one had said and done by then is its history."""

    run_id: str
    """The other run, which stays as it is."""
    after_turn: int
    """After which of its turns; 0 for its input alone."""
    definition: Annotated[Definition, OrNewer] = "pinned"
    """Which definition of the agent counts: the one that the other run has kept (`pinned`), or the
    agent's as it is now (`current`)."""


class ForkRun(Public):
    """What starts a run from what another one has said and done."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"after_turn": 2},
                {"after_turn": 3, "input": "And in French?", "thread_id": "customer-7-b"},
            ]
        }
    )

    after_turn: int = Field(ge=0, le=1_000_000, strict=True)
    """After which of the run's turns to go on: all that was said until the next one began is kept,
    with the results of its tool calls. 0 keeps its input alone."""
    input: Input | None = None
    """What is said then: a text, or messages of which the last one is a user's. Not needed where a
    model's answer comes next, as after a turn of tool calls."""
    thread_id: ThreadId | None = None
    """The conversation that this begins, on which no run has been; it gets all that is kept.
    Without it nothing is remembered."""
    definition: Definition = "pinned"
    """Which definition of the agent counts: the one that the run has kept (`pinned`), or the
    agent's as it is now (`current`)."""
    stream: bool | None = Field(default=None, strict=True)
    """As in a start."""
    metadata: Metadata | None = None
    """Kept with the new run; the other run's if it is left out."""
    limits: Limits = Limits()
    """Where the new run stops: of each limit, this one's and its agent's, the lower one counts.
    What the other run has used does not."""
    webhooks: Annotated[list[Webhook], Field(min_length=1, max_length=MAX_WEBHOOKS)] | None = None
    """Who is told of the new run; nobody if it is left out."""

    _has_known_events = field_validator("webhooks")(_check_events)


class SteerRun(Public):
    """What is said to a run that goes on."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"input": "It is order A-1004, not A-1001."}]}
    )

    input: Input
    """A text, or messages of which the last one is a user's."""


class Steered(Public):
    """The run has the message, and reads it before its next model call."""

    message_id: str | None = None
    """The `id` that the message has in the run; null if no worker was there to take it: the next
    one does, unless the run ends before."""
