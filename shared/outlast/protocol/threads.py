"""What a thread is, as everybody sees it."""

from typing import Literal

from outlast.protocol.messages import Message
from outlast.protocol.wire import Public, Time


class Thread(Public):
    """One conversation, which one run holds at a time."""

    thread_id: str
    """The name that runs gave it."""
    status: Literal["idle", "busy"]
    """Whether a run holds it or waits for it."""
    run_id: str | None = None
    """The run that holds the thread."""
    queued: list[str]
    """Runs that wait for the thread, next one first."""
    message_count: int
    """How many messages it has. Those of a run are added when that ends."""
    created_at: Time
    """When it was first used."""
    updated_at: Time
    """When it last changed."""


class ThreadPage(Public):
    """A page of threads, newest first."""

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
