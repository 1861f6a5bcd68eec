"""What the app says to threads, and how they answer."""

from typing import Literal

from pydantic import Field

from outlast.protocol import (
    InputMessage,
    Message,
    ThreadSummary,
    Time,
    Wire,
)


class ThreadHolder(Wire):
    """Who holds a thread.

    `held_up`: the run waits for a person, or did when it was killed. `last_run`: the run that the
    thread has taken last, or `none`, as `after_run` of a start takes it; null of an older worker.
    """

    run_id: str | None = None
    held_up: bool = False
    message_count: int
    last_run: str | None = None


class ThreadStatus(Wire):
    """A thread without its messages."""

    run_id: str | None = None
    queued: list[str]
    message_count: int
    metadata: dict[str, str] = Field(default_factory=dict[str, str])
    expires_after_s: float | None = None
    summary: ThreadSummary | None = None
    created_at: Time
    updated_at: Time


class ThreadOrder(Wire):
    """A thread to make. `request` names one that may be repeated, with what it said."""

    metadata: dict[str, str]
    expires_after_s: float | None = None
    request: str | None = None
    at: Time


class CreateAnswer(Wire):
    """`exists`: there is a thread of this name, and this request did not make it."""

    outcome: Literal["created", "exists"]


class AddOrder(Wire):
    """`added_as` names what is added, also when the request is repeated."""

    added_as: str
    messages: list[InputMessage]
    at: Time
    body_hash: str
    repeatable: bool


class AddAnswer(Wire):
    """`different`: this was added before, with another body."""

    outcome: Literal["added", "different", "busy", "unknown"]
    message_ids: list[str] = Field(default_factory=list[str])
    run_id: str | None = None


class ThreadChange(Wire):
    """`changes_expiry`: whether `expires_after_s` counts, which is null for a thread that stays."""

    set_metadata: dict[str, str]
    unset_metadata: list[str]
    changes_expiry: bool
    expires_after_s: float | None = None
    at: Time


class ChangeAnswer(Wire):
    outcome: Literal["changed", "unknown", "too_large"]


class HistoryQuestion(Wire):
    after: int
    limit: int


class HistoryAnswer(Wire):
    """`items` is None when there is no such thread."""

    items: list[Message] | None = None
    message_count: int


class TakeBackOrder(Wire):
    """`after` is the id of the last message that stays."""

    after: str
    at: Time


class TakeBackAnswer(Wire):
    """`open_calls`: tool calls would stay without their results."""

    outcome: Literal["taken_back", "busy", "unknown", "unknown_message", "open_calls"]
    run_id: str | None = None


class DeleteOrder(Wire):
    """`dead` is a run that was killed, so that it can't release the thread."""

    dead: str | None = None


class DeleteAnswer(Wire):
    outcome: Literal["deleted", "busy", "unknown"]
    run_id: str | None = None
