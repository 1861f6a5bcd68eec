"""What a tool knows of the call that it serves, and whom it tells how far it is."""

import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic

from typing_extensions import TypeAliasType, TypeVar

ProgressReport = Callable[[float, float | None, str | None], None]
# Covariant, so that what takes a plain `ToolContext` takes every other one.
Resources_co = TypeVar("Resources_co", default=object, covariant=True)
Given = TypeVar("Given", default=None)


def _tell_nobody(_done: float, _total: float | None, _message: str | None) -> None:
    """Take a report where nobody watches."""


@dataclass(frozen=True, kw_only=True)
class ToolContext(Generic[Resources_co]):
    """What a tool may know about the call it serves.

    A tool that uses what the `lifespan` of the agents' module yields says of which type that is:
    `context: ToolContext[Resources]`.

    Attributes:
        call_id: `{turn}.{index}`, ours and never the provider's.
        idempotency_key: The same each time this very call is executed again. Hand it to whatever
            must not happen twice.
        context: What the caller of the run passed as `context`.
        resources: What the lifespan yields; None without a lifespan.
    """

    run_id: str
    thread_id: str | None
    tenant: str
    agent: str
    turn: int
    call_id: str
    idempotency_key: str
    context: Mapping[str, Any]
    metadata: Mapping[str, str]
    resources: Resources_co = field(repr=False, compare=False)
    on_progress: ProgressReport = field(default=_tell_nobody, repr=False, compare=False)

    def report_progress(
        self, done: float, total: float | None = None, message: str | None = None
    ) -> None:
        """Tell whoever watches the run how far this call is: at once, so there is no `await`.

        Nothing of it is kept.
        """
        self.on_progress(done, total, message)

    @classmethod
    def for_test(
        cls,
        *,
        resources: Given = None,  # type: ignore[assignment]  # the default of `Given`
        context: Mapping[str, Any] | None = None,
        metadata: Mapping[str, str] | None = None,
        agent: str = "test",
        run_id: str = "test.run",
        thread_id: str | None = None,
        tenant: str = "test",
        turn: int = 1,
        call_id: str = "1.0",
        idempotency_key: str | None = None,
        on_progress: ProgressReport = _tell_nobody,
    ) -> "ToolContext[Given]":
        """Make the context of a call, to test a tool by calling it as the function it is.

        Args:
            resources: What the tool gets from the lifespan.
            context: What the caller of the run would have passed.
            metadata: The same.
            agent: Whose call it is.
            run_id: Of the run.
            thread_id: Of the conversation, if there is one.
            tenant: Whose run it is.
            turn: Of the model.
            call_id: Of the call.
            idempotency_key: By default of run and call, as in production.
            on_progress: Takes what the tool reports.
        """
        return ToolContext(
            run_id=run_id,
            thread_id=thread_id,
            tenant=tenant,
            agent=agent,
            turn=turn,
            call_id=call_id,
            idempotency_key=f"{run_id}:{call_id}" if idempotency_key is None else idempotency_key,
            context=context or {},
            metadata=metadata or {},
            resources=resources,
            on_progress=on_progress,
        )


def is_tool_context(hint: Any) -> bool:
    """Tell whether a type hint is that of the context, with or without the resources' type."""
    if isinstance(hint, TypeAliasType):
        hint = hint.__value__
    return (typing.get_origin(hint) or hint) is ToolContext
