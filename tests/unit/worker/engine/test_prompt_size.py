"""How long a prompt is, and where it can be cut."""

import pytest

from fakes.records import NOON
from outlast.protocol import ImagePart, TextPart, ToolCall
from outlast_worker.engine.prompt_size import estimate_tokens, find_cut
from outlast_worker.engine.records import StoredMessage

PART = ImagePart(url="https://example.org/a.png")


def said(kind: str, chars: int = 400) -> StoredMessage:
    """Make a message: of a user, an assistant, one that calls, a tool, or a summary."""
    role = {"u": "user", "s": "user", "t": "tool"}.get(kind, "assistant")
    called = [ToolCall(call_id="1.0", name="find", arguments={})] if kind == "c" else None
    return StoredMessage.model_validate(
        {
            "id": "m",
            "role": role,
            "content": "x" * chars,
            "tool_calls": called,
            "call_id": "1.0" if kind == "t" else None,
            "run_id": "r",
            "created_at": NOON,
            "stands_for": 9 if kind == "s" else None,
        }
    )


def conversation(kinds: str) -> list[StoredMessage]:
    return [said(kind) for kind in kinds]


def test_longer_texts_are_more_tokens() -> None:
    """A text counts by its length, arguments too; an image does not count by its own."""
    assert estimate_tokens([said("u", 4_000)]) > estimate_tokens([said("u", 400)]) >= 100
    image = said("u").model_copy(update={"content": [TextPart(text="x" * 400), PART]})
    large = PART.model_copy(update={"url": "data:image/png;base64," + "A" * 9_000_000})
    assert estimate_tokens([image.model_copy(update={"content": [large]})]) < 2_000
    assert estimate_tokens([image]) > estimate_tokens([said("u")])


def test_what_models_do_not_read_counts_nothing() -> None:
    """A refused message is not sent; of one that is told otherwise that counts."""
    refused = said("u", 40_000).model_copy(update={"refused": "content-policy"})
    assert estimate_tokens([refused]) == 0
    told = said("u", 40_000).model_copy(update={"told": "short"})
    assert estimate_tokens([told]) < 10


@pytest.mark.parametrize(
    ("kinds", "kept"),
    [
        ("", ""),
        ("u", ""),
        ("ua" * 10 + "u", "uauau"),
        ("u" + "ct" * 10, "ctct"),
        ("u" + "ct" * 10 + "u", "ctctu"),
        ("ua" * 4 + "uct", "ct"),
        ("uctttttttt", "ctttttttt"),
        ("su", ""),
        ("suauau", "u"),
        ("suctct", "ct"),
        ("sct", ""),
    ],
)
def test_where_it_is_cut(kinds: str, kept: str) -> None:
    """About a quarter stays, at least the last turn; no call is parted from its result."""
    messages = conversation(kinds)
    position = find_cut(messages)
    assert kinds[position:] == (kept or kinds)
    assert (position == 0) == (not kept)


def test_a_summary_alone_is_not_summed_up() -> None:
    """What only stands for others is covered with something that was said, or not at all."""
    assert find_cut(conversation("su")) == 0
    assert find_cut(conversation("sau")) == 2


def test_a_large_end_stays_whole() -> None:
    """The last turn stays, however much of the prompt it is."""
    messages = [*conversation("uaua"), said("u", 100_000)]
    assert find_cut(messages) == 4
