"""Where a run stops."""

from typing import Any, Literal, Self

from pydantic import Field

from outlast.protocol.wire import Public

OnLimit = Literal["stop", "approve"]
"""What happens at a limit: the run ends, or a person is asked whether it may go on."""

_YEAR_S = 365 * 24 * 3600


class Limits(Public):
    """Where a run stops and ends as `incomplete`; what is null stops nothing."""

    max_turns: int | None = Field(default=None, ge=1, le=1000, strict=True)
    """How many turns it may take; null for as many as its agent allows."""
    max_tool_calls: int | None = Field(default=None, ge=1, le=100_000, strict=True)
    """How many tool calls may be carried out, failed ones included."""
    max_tokens: int | None = Field(default=None, ge=1, le=10**12, strict=True)
    """How many tokens may be sent to models and written by them, together."""
    max_cost_usd: float | None = Field(default=None, gt=0, le=1e9, allow_inf_nan=False, strict=True)
    """What its model calls may cost, in US dollars. Only where their price is known."""
    max_duration_s: float | None = Field(
        default=None, gt=0, le=_YEAR_S, allow_inf_nan=False, strict=True
    )
    """For how long it may work. While it only waits for people or clients, for its thread or for
    its time, it does not work."""

    def lowered_to(self, other: Self) -> Self:
        """Return, of each limit, the lower one."""
        own, others = self.given, other.given
        lower = {name: min(value, own.get(name, value)) for name, value in others.items()}
        return self.model_copy(update=lower)

    def raised_to(self, other: Self) -> Self:
        """Return these limits with those of another in their place that are higher."""
        higher = {
            name: value
            for name, value in other.given.items()
            if (own := self.given.get(name)) is not None and value > own
        }
        return self.model_copy(update=higher)

    @property
    def given(self) -> dict[str, Any]:
        """Those that stop something."""
        return self.model_dump(exclude_none=True)
