"""The step that calls a hook."""

from dataclasses import dataclass
from typing import Any, ClassVar

from outlast.hooks import HookedCall, ModelAnswer, Prompt, ToolResult
from outlast.protocol import Run, Time
from outlast_worker.engine.names import hook_step
from outlast_worker.engine.operations.operation import Operation
from outlast_worker.engine.records import HookRecord, PinnedHook

HookSubject = Prompt | ModelAnswer | HookedCall | Run


@dataclass(frozen=True)
class CallHook(Operation[HookRecord]):
    """Call a hook.

    Attributes:
        subject: What it sees.
        result: Of `after_tool`: what came of the call.
    """

    hook: PinnedHook
    subject: HookSubject
    result: ToolResult | None = None
    record: ClassVar[Any] = HookRecord

    @property
    def step(self) -> str:
        """The step's name."""
        return hook_step(self.hook.name)

    def cancelled(self, at: Time) -> HookRecord:
        """Let nothing pass that was not looked at."""
        return HookRecord.failed("it was broken off", at)

    def crashed(self, error: Exception, at: Time) -> HookRecord:
        """Let nothing pass that was not looked at."""
        return HookRecord.failed(f"{type(error).__name__}. The worker's log says more", at)
