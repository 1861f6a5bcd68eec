"""Pieces of tool calls make the calls that the model meant, whatever a server leaves out."""

from typing import Any

import pytest

from outlast_worker.models.openai_http.calls import GrowingCalls


def piece(
    index: Any = None, call_id: Any = None, name: str | None = None, arguments: Any = None
) -> dict[str, Any]:
    given = {"index": index, "id": call_id}
    function = {"name": name, "arguments": arguments}
    return {
        **{field: value for field, value in given.items() if value is not None},
        "function": {field: value for field, value in function.items() if value is not None},
    }


def grown(*deltas: Any) -> list[tuple[str, str]]:
    calls = GrowingCalls()
    for delta in deltas:
        calls.add_delta(delta)
    return [(call.name, call.arguments) for call in calls.all()]


F, G = ("f", '{"a":1}'), ("g", '{"b":2}')
BARE_F, BARE_G = piece(None, None, *F), piece(None, None, *G)

CASES: dict[str, list[list[dict[str, Any]]]] = {
    "by the book": [
        [piece(0, "x", "f", "")],
        [piece(0, arguments='{"a"')],
        [piece(1, "y", "g", "")],
        [piece(0, arguments=":1}")],
        [piece(1, arguments='{"b":2}')],
    ],
    "one index for all": [[piece(0, "x", "f", '{"a":1}')], [piece(0, "y", "g", '{"b":2}')]],
    "one index, no ids": [[piece(0, None, "f", '{"a":1}')], [piece(0, None, "g", '{"b":2}')]],
    "one index, one id": [[piece(0, "x", "f", '{"a":1}')], [piece(0, "x", "g", '{"b":2}')]],
    "no index": [
        [piece(None, "x", "f", '{"a"')],
        [piece(None, None, None, ":1}")],
        [piece(None, "y", "g", '{"b":2}')],
    ],
    "no index, with ids": [
        [piece(None, "x", "f", '{"a"')],
        [piece(None, "y", "g", '{"b"')],
        [piece(None, "x", None, ":1}")],
        [piece(None, "y", None, ":2}")],
    ],
    "neither index nor id": [[BARE_F, BARE_G]],
    "neither, one by one": [[BARE_F], [BARE_G]],
    "index as text, from one": [[piece("1", "x", *F)], [piece("2", "y", *G)]],
    "in another order": [[piece(1, "y", "g", '{"b":2}')], [piece(0, "x", "f", '{"a":1}')]],
    "names again and again": [
        [piece(0, "x", "f", '{"a"')],
        [piece(0, "x", "f", ":1}")],
        [piece(0, "x", "f", "")],
        [piece(1, "y", "g", '{"b":2}')],
    ],
    "arguments as an object": [[piece(0, "x", "f", '{"a":1}')], [piece(1, "y", "g", {"b": 2})]],
    "numbers as ids": [[piece(0, 1, "f", '{"a":1}')], [piece(0, 2, "g", '{"b":2}')]],
}


@pytest.mark.parametrize("name", CASES)
def test_two_calls(name: str) -> None:
    """Two calls are two, each with its own arguments."""
    calls = [(called, arguments.replace(" ", "")) for called, arguments in grown(*CASES[name])]
    assert calls == [F, G]


@pytest.mark.parametrize("names", [("get_", "order"), ("get_", "get_order"), ("get_order", "")])
def test_a_name_in_pieces(names: tuple[str, str]) -> None:
    """Whether a name comes in pieces, grows, or comes once."""
    pieces = [[piece(0, "x", name)] for name in names]
    assert grown(*pieces, [piece(0, arguments="{}")]) == [("get_order", "{}")]


def test_calls_without_arguments() -> None:
    """Calls that take nothing are told apart by their names."""
    assert grown([piece(name="f")], [piece(name="g")]) == [("f", ""), ("g", "")]


def test_what_is_no_call() -> None:
    """Whatever else stands there is left out; so is a call without a name."""
    assert grown(None, 3, "x", [None, {}], [piece(0, "x", None, "{}")]) == []


def test_what_only_the_provider_knows() -> None:
    """A signature of Google's is kept with its call."""
    calls = GrowingCalls()
    calls.add_whole([{**piece(0, "x", "f", "{}"), "extra_content": {"google": {"s": 1}}}])
    [call] = calls.all()
    assert call.fields == {"extra_content": {"google": {"s": 1}}}
