"""What is journaled of webhooks, and kept."""

from typing import Literal

from outlast.protocol import Time
from outlast_worker.engine.records import Record


class Attempt(Record):
    """What came of one request.

    `gone`: the receiver wants no more. A `failed` one is tried again after `retry_in_s`, or no
    more where that is null.
    """

    at: Time
    outcome: Literal["delivered", "gone", "failed"]
    status: int | None = None
    error: str | None = None
    retry_in_s: float | None = None
