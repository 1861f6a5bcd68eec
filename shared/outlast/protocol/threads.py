"""What a thread is, as everybody sees it."""

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from outlast.protocol.messages import (
    MAX_MESSAGES,
    InputMessage,
    Message,
    check_conversation,
)
from outlast.protocol.requests import MAX_DELAY_S, Metadata
from outlast.protocol.wire import OrNewer, Public, ThreadId, Time

ExpiresAfter = Annotated[float, Field(gt=0, le=MAX_DELAY_S, allow_inf_nan=False, strict=True)]


class CreateThread(Public):
    """What makes a thread before its first run."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"metadata": {"title": "A broken lamp"}, "expires_after_s": 604800}]
        }
    )

    thread_id: ThreadId | None = None
    """A name of your choice; without it one is made."""
    metadata: Metadata = Field(default_factory=dict)
    """Kept with the thread and shown with it, in lists, too: 16 KiB at most. Lists can look for
    it, and show `title`."""
    expires_after_s: ExpiresAfter | None = None
    """How long after its last change it is forgotten, unless a run holds it; null for never."""


class ChangeThread(Public):
    """What changes a thread; what is left out stays as it is."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"metadata": {"title": "A lamp", "draft": None}}]}
    )

    metadata: dict[str, str | None] | None = None
    """What is added or replaced, by name; null takes a name away. The others stay."""
    expires_after_s: ExpiresAfter | None = None
    """How long after its last change it is forgotten; null for never."""


class ThreadSummary(Public):
    """What stands for the beginning of a conversation, where runs read it.

    The messages themselves stay, for whoever asks for them.
    """

    messages: int
    """How many messages it stands for, from the first one on."""
    how: Annotated[Literal["summary", "window"], OrNewer]
    """Whether a model has summed them up, or they are only left out."""
    run_id: str
    """The run that has made it."""
    created_at: Time
    """When that was."""


class Thread(Public):
    """One conversation, which one run holds at a time."""

    thread_id: str
    """Its name."""
    status: Literal["idle", "busy"]
    """Whether a run holds it or waits for it."""
    run_id: str | None = None
    """The run that holds the thread."""
    queued: list[str]
    """Runs that wait for the thread, next one first."""
    message_count: int
    """How many messages it has. Those of a run are added when that ends."""
    metadata: dict[str, str] = Field(default_factory=dict)
    """What was said of it; lists show `title`."""
    expires_at: Time | None = None
    """When it is forgotten, unless it changes before; null for never, and while a run holds it."""
    summary: ThreadSummary | None = None
    """Where runs begin to read, once it has grown long; null if they read all of it."""
    created_at: Time
    """When it was made, or first used."""
    updated_at: Time
    """When it last changed: a run began or ended on it, or somebody changed it."""


class ThreadPage(Public):
    """A page of threads, those that changed last first."""

    items: list[Thread]
    """The threads."""
    next_cursor: str | None = None
    """Pass it as `cursor` for the next page; null at the end."""


class MessagePage(Public):
    """A page of a conversation, oldest message first."""

    items: list[Message]
    """The messages."""
    next_cursor: str | None = None
    """Pass it as `cursor` for the next page; null at the end."""


class AddMessages(Public):
    """What a client adds to a thread itself."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"messages": [{"role": "user", "content": "I was on the phone."}]}]
        }
    )

    messages: Annotated[
        list[InputMessage],
        Field(min_length=1, max_length=MAX_MESSAGES),
        AfterValidator(check_conversation),
    ]
    """A conversation, as in a start's `input`; the last message may be anybody's."""


class MessagesAdded(Public):
    """The thread has them; the next run reads them."""

    message_ids: list[str]
    """Their ids, those included that were made for calls without results."""
