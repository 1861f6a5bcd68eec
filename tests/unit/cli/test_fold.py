"""What a model has said so far, from live and committed events."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from fakes import wire
from outlast.events import AnyEvent, AnyLiveEvent
from outlast_cli.fold import Texts, fold

_EVENT = TypeAdapter(AnyEvent | AnyLiveEvent)


def _fold(*events: dict[str, Any]) -> Texts:
    texts = Texts()
    for event in events:
        texts = fold(texts, _EVENT.validate_python(event))
    return texts


@pytest.mark.parametrize(
    ("events", "text"),
    [
        ([wire.delta("a"), wire.delta("b")], "ab"),
        ([wire.delta("a"), wire.reset()], ""),
        ([wire.delta("a"), wire.reset(), wire.delta("b")], "b"),
        ([wire.delta("a"), wire.snapshot("xyz")], "xyz"),
        ([wire.snapshot("xy"), wire.delta("z")], "xyz"),
        ([wire.delta("a"), wire.message(1, "final")], "final"),
    ],
    ids=["append", "clear", "clear-append", "replace", "replace-append", "final"],
)
def test_a_turn(events: list[dict[str, Any]], text: str) -> None:
    """Deltas add, a reset clears, a snapshot and the committed message replace."""
    assert _fold(*events).by_turn == {1: text}


@pytest.mark.parametrize("late", [wire.delta("x"), wire.reset(), wire.snapshot("x")])
def test_late_previews(late: dict[str, Any]) -> None:
    """Live events of a turn whose message is committed change nothing."""
    assert _fold(wire.message(1, "final"), late) == _fold(wire.message(1, "final"))


def test_turns() -> None:
    """Each turn has a text of its own, and only what may still change is unfinished."""
    texts = _fold(wire.message(1, "one"), wire.delta("tw", turn=2), wire.delta("o", turn=2))
    assert texts.by_turn == {1: "one", 2: "two"}
    assert texts.unfinished == "two"


def test_parts() -> None:
    """Of a message in parts, the text counts."""
    event = wire.message(1, "")
    image = {"type": "image", "url": "https://x"}
    event["message"]["content"] = [{"type": "text", "text": "look"}, image]
    assert _fold(event).by_turn == {1: "look"}


def test_other_events() -> None:
    """Events without text change nothing."""
    assert _fold(wire.ended(1)) == Texts()
