"""The arguments of a call are read once, and only if everybody reads them alike."""

import json
import random
from typing import Any

import pytest

from outlast.arguments import UnreadableArguments, read_arguments
from outlast.events import ANY_EVENT, ToolCallStarted


@pytest.mark.parametrize("text", ["", " ", "null", " null\n", "{}"])
def test_nothing(text: str) -> None:
    """Some models write nothing, or null, where they have nothing to say."""
    assert read_arguments(text) == {}


@pytest.mark.parametrize(
    "value",
    [
        {"cents": 5, "a": [None, "ä", True, 1.5]},
        {"id": 2**53 - 1, "debt": -(2**53 - 1), "small": 1e-320},
        {"id": "12345678901234567890"},
        {"text": "a\nb\u0000\u202e"},
    ],
)
def test_what_is_read(value: dict[str, Any]) -> None:
    """Values come as they were written, and go into an event and out of it unchanged."""
    read = read_arguments(json.dumps(value))
    assert read == value
    event = ToolCallStarted(run_id="r", seq=1, turn=1, call_id="1.0", name="pay", arguments=read)
    assert ANY_EVENT.validate_json(ANY_EVENT.dump_json(event)) == event


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"cents": ', "Expecting value"),
        ("[1, 2]", "not a JSON object"),
        ('"text"', "not a JSON object"),
        ('{"cents": 5} and more', "Extra data"),
        ('{"a": NaN}', "NaN"),
        ('{"a": [{"b": -Infinity}]}', "-Infinity"),
        ('{"a": 1e999}', "not JSON"),
        ('{"a": 9007199254740992}', "write it as a text"),
        ('{"a": ' + "9" * 5000 + "}", "write it as a text"),
        ('{"to": "alice", "to": "mallory"}', "'to' is there twice"),
        ('{"a": {"b": 1, "b": 2}}', "'b' is there twice"),
        ('{"half": "\\ud800"}', "half a Unicode character"),
        ('{"a":' * 195 + "1" + "}" * 195, "recursion|nested"),
        ('{"a":' * 30000 + "1" + "}" * 30000, "nested"),
    ],
    ids=range(14),
)
def test_what_is_refused(text: str, reason: str) -> None:
    """A text that one reader would read otherwise than another is refused, with the reason."""
    with pytest.raises(UnreadableArguments, match=reason):
        read_arguments(text)


def test_whatever_a_model_writes() -> None:
    """Of garbled texts each is refused, or read to what can be shown as it is."""
    pieces = ['"to"', '"x"', ":", ",", "{", "}", "[", "]", "1", "1e999", "NaN", "-0", '"\\ud83d"']
    pieces += ["null", "9" * 30, '"\\u0000"', " ", "\ufeff", "true", '"é"', "0.1", "\t"]
    rng = random.Random(7)
    read = 0
    for _ in range(20_000):
        body = "".join(rng.choices(pieces, k=rng.randint(1, 9)))
        try:
            value = read_arguments(rng.choice([body, '{"to":' + body + "}"]))
        except UnreadableArguments:
            continue
        read += 1
        assert json.loads(json.dumps(value, allow_nan=False)) == value
    assert read > 100
