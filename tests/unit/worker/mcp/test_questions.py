"""What a server may ask people for: what can be shown to them, and checked."""

from types import SimpleNamespace
from typing import Any

import pytest

from outlast_worker.mcp.questions import MAX_MESSAGE_CHARS, UnusableQuestion, question_of


def form(schema: dict[str, Any], message: str = "Which?") -> Any:
    return SimpleNamespace(mode="form", message=message, requested_schema=schema)


def page(url: str) -> Any:
    return SimpleNamespace(mode="url", message="Sign.", url=url)


def test_a_form() -> None:
    question = question_of(form({"type": "object", "properties": {}}, "Which \ud800?"), "k")
    assert (question.key, question.message, question.url) == ("k", "Which \ufffd?", None)


def test_a_page() -> None:
    question = question_of(page("https://sign.example/1?a=b"))
    assert (question.url, question.content_schema) == ("https://sign.example/1?a=b", None)


@pytest.mark.parametrize(
    "asked",
    [
        form({"type": "object"}, "x" * (MAX_MESSAGE_CHARS + 1)),
        form({"type": "string"}),
        form({}),
        form({"type": "object", "$ref": "#"}),
        form({"type": "object", "properties": {"a": {"$ref": "https://evil.example/"}}}),
        form({"type": "object", "properties": {f"p{n}": {} for n in range(20_000)}}),
        form({"type": "object", "properties": {"a": {"pattern": "("}}}),
        page("javascript:alert(1)"),
        page("file:///etc/passwd"),
        page("https://"),
        page("http://[x"),
        page("https://x.example/" + "a" * 3_000),
    ],
)
def test_what_is_not_for_people(asked: Any) -> None:
    with pytest.raises(UnusableQuestion):
        question_of(asked)
