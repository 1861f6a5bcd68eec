"""Promises that several may resolve, of whom the first one counts."""

from typing import Any

import pytest
from restate import TerminalError

from outlast_worker.services.promises import ADMISSION


class Context:
    """One promise, whose resolution ends as it is told to."""

    def __init__(self, error: TerminalError | None = None) -> None:
        self._error = error

    def promise(self, _name: str, serde: Any) -> "Context":
        return self

    async def resolve(self, _value: str) -> None:
        if self._error:
            raise self._error


@pytest.mark.parametrize(
    ("error", "first"),
    [(None, True), (TerminalError("promise was already completed", 409), False)],
)
async def test_who_was_first(error: TerminalError | None, first: bool) -> None:
    """Whoever comes second is told so."""
    context: Any = Context(error)
    assert await ADMISSION.resolve_once(context, "granted") == first


@pytest.mark.parametrize("error", [TerminalError("cancelled", 409), TerminalError("gone", 500)])
async def test_what_is_not_an_answer(error: TerminalError) -> None:
    """A cancellation of whoever resolves it says nothing about the promise, nor does a fault."""
    context: Any = Context(error)
    with pytest.raises(TerminalError):
        await ADMISSION.resolve_once(context, "granted")
