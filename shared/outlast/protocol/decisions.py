"""What a person decides on an approval."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ConfigDict, JsonValue, ValidationInfo, field_validator, model_validator

from outlast.protocol.limits import Limits
from outlast.protocol.wire import Public

Action = Literal[
    "approve",
    "reject",
    "retry",
    "give_up",
    "complete",
    "raise",
    "stop",
    "answer",
    "decline",
]

ACTIONS: Mapping[str, tuple[Action, ...]] = {
    "approval": ("approve", "reject"),
    "in_doubt": ("retry", "give_up", "complete"),
    "limit": ("raise", "stop"),
    "input": ("answer", "decline"),
}
"""What may be decided on an approval, by its reason."""

_GOES_WITH: Mapping[str, tuple[Action, str]] = {
    "arguments": ("approve", "arguments go with approve; a call that is not approved does not run"),
    "output": ("complete", "output goes with complete; only a call that happened has one"),
    "limits": ("raise", "limits go with raise; nothing else changes them"),
    "content": ("answer", "content goes with answer; nothing else is passed on"),
}
_NEEDS: Mapping[str, str] = {"complete": "output", "raise": "limits", "answer": "content"}


class Decision(Public):
    """What a person decides on an approval; which actions there are depends on its `reason`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"action": "approve", "by": "ana@example.org"},
                {"action": "approve", "arguments": {"order_id": "A-1001", "cents": 2500}},
                {"action": "reject", "reason": "The lamp is still under warranty."},
                {"action": "complete", "output": "refund re_4711 was made"},
                {"action": "answer", "content": {"supplier": "Lamps & Sons"}},
            ]
        }
    )

    action: Action
    """`approval`: `approve`, or `reject` (the model is told, and goes on). `in_doubt`: `retry` (it
    did not happen: run it), `give_up` (leave it; the model is told that nobody knows), `complete`
    (it did happen, with this `output`). `limit`: `raise` (to these `limits`), `stop`. `input`:
    `answer` (with this `content`), `decline`."""
    arguments: dict[str, JsonValue] | None = None
    """Of `approve`: run the call with these arguments instead of the model's."""
    output: JsonValue = None
    """Of `complete`: what the call came to, a text or JSON; the model reads it."""
    limits: Limits | None = None
    """Of `raise`: where the run stops from now on; what is left out stays as it is."""
    content: JsonValue = None
    """Of `answer`: what was asked for; it fits the approval's `content_schema`."""
    reason: str | None = None
    """Why: for the model, and for the record."""
    by: str | None = None
    """Who decides: for the record, beside the name of the key."""

    @field_validator(*_GOES_WITH)
    @classmethod
    def _goes_with_its_action(cls, value: Any, info: ValidationInfo) -> Any:
        action, why = _GOES_WITH[info.field_name or ""]
        if value is not None and info.data.get("action", action) != action:
            raise ValueError(why)
        return value

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> "Decision":
        needed = _NEEDS.get(self.action)
        if needed and getattr(self, needed) is None:
            raise ValueError(f"{self.action} needs {needed}")
        return self
