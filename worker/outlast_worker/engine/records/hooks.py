"""What comes of a hook."""

from typing import Literal

from pydantic import JsonValue

from outlast.protocol import Time, ToolErrorType
from outlast_worker.engine.records.model import RequestedCall
from outlast_worker.engine.records.record import Record


class HookRecord(Record):
    """What a hook returned, and nothing that it left as it was.

    Attributes:
        verdict: None if the hook let it pass, perhaps changed.
        text: The reason of a verdict, or what is said or answered instead; why the hook failed.
        texts: What models read from now on, by the message's id.
        calls: Those of the answer that are left.
    """

    verdict: Literal["refuse", "ask_person", "instead", "ask_again", "failed"] | None = None
    at: Time
    text: str | None = None
    instructions: str | None = None
    texts: dict[str, str] | None = None
    calls: list[RequestedCall] | None = None
    arguments: dict[str, JsonValue] | None = None
    output: str | None = None
    is_error: bool | None = None
    error_type: ToolErrorType | None = None
    told: str | None = None

    @classmethod
    def failed(cls, why: str, at: Time) -> "HookRecord":
        """Return what fails the run."""
        return cls(verdict="failed", text=why, at=at)
