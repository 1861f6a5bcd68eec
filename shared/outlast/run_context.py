"""What an author's functions know of the run that they are called for, beside tools."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic

from outlast.tool_context import Given, Resources_co


@dataclass(frozen=True, kw_only=True)
class RunContext(Generic[Resources_co]):
    """What hooks, and instructions that are a function, may know of their run.

    Attributes:
        context: What the caller of the run passed as `context`.
        resources: What the lifespan yields; None without a lifespan.
    """

    run_id: str
    thread_id: str | None
    tenant: str
    agent: str
    context: Mapping[str, Any]
    metadata: Mapping[str, str]
    resources: Resources_co = field(repr=False, compare=False)

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
    ) -> "RunContext[Given]":
        """Make the context of a run, to test a function by calling it."""
        return RunContext(
            run_id=run_id,
            thread_id=thread_id,
            tenant=tenant,
            agent=agent,
            context=context or {},
            metadata=metadata or {},
            resources=resources,
        )
