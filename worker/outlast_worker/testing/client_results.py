"""What clients answer to calls of their tools, as a test says it."""

from collections.abc import Callable, Mapping
from typing import Any

from outlast.contract import ClientResult
from outlast.protocol import CallResult, ClientCall, Time
from outlast_worker.testing.scripted_model import ScriptError

GivenResult = str | CallResult | Callable[..., str | CallResult]
"""A text, a `CallResult` with parts or an error, a function of the arguments, or `expire`."""


class ClientResults:
    """Finds what a client sends for a call, by its id or by its tool's name."""

    def __init__(self, given: Mapping[str, GivenResult]) -> None:
        self._given = given
        self._unused = dict(given)

    @property
    def spare(self) -> str | None:
        """What no client was asked to run, and what to do."""
        if not self._unused:
            return None
        keys = ", ".join(repr(key) for key in self._unused)
        return f"no client was asked to run {keys} of `client_results={{…}}`. Take it out."

    def of(self, call: ClientCall, at: Time) -> ClientResult | None:
        """Return the result; None if there is none in time.

        Raises:
            ScriptError: The test does not say.
        """
        key = call.call_id if call.call_id in self._given else call.name
        if key not in self._given:
            raise ScriptError(
                f"{call.call_id} of {call.name} waits for a client, and nothing says what it "
                f'sends. Add `client_results={{"{call.name}": "…"}}`; a call\'s id in place of the '
                "name means only that call."
            )
        self._unused.pop(key, None)
        given: Any = self._given[key]
        if given == "expire":
            return None
        sent: Any = given(**call.arguments) if callable(given) else given
        result = sent if isinstance(sent, CallResult) else CallResult(output=sent)
        return ClientResult(
            call_id=call.call_id,
            outcome="answered",
            output=result.output,
            is_error=result.is_error,
            at=at,
            by=result.by,
        )
