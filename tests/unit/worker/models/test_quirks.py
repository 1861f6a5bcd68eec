"""Answers in shapes that public reports tell of are read right, whichever client reads them."""

from typing import Any

import pytest

from unit.worker.models.asking import Client
from unit.worker.models.quirks import CASES, Played, play

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning"),
    pytest.mark.usefixtures("litellm_loaded"),
]

# What litellm makes of some of them can't be mended behind it.
_MERGED = "litellm merges calls that have one index, or none"
_AGAIN = "litellm swallows what is no stream, so the model is asked once more without one"
LITELLM_CANNOT = {
    "idx0-whole-stop": _MERGED,
    "idx0-names": _MERGED,
    "noidx-two": _MERGED,
    "content-parts": "litellm drops a streamed text that is a list of parts",
    "content-parts-plain": "litellm takes a text that is a list of parts for no answer",
    "data-spaces": "litellm does not parse data after several spaces",
    "finish-no-last-blank": "litellm drops an event without an empty line after it",
    "json-to-stream": _AGAIN,
    "html-200-s": _AGAIN,
    "empty-200-s": _AGAIN,
    "anthropic-529": _AGAIN,
    "oa-tool-use-failed": _AGAIN,
}


def cases(client: Client) -> list[Any]:
    def marks(name: str) -> list[pytest.MarkDecorator]:
        reason = LITELLM_CANNOT.get(name) if client == "litellm" else None
        return [pytest.mark.xfail(reason=reason, strict=True)] if reason else []

    return [
        pytest.param(client, case, id=f"{client}-{case['name']}", marks=marks(case["name"]))
        for case in CASES
    ]


@pytest.mark.parametrize(("client", "case"), [*cases("direct"), *cases("litellm")])
async def test_quirk(client: Client, case: dict[str, Any]) -> None:
    """A run comes to the end that it should, whatever the server sends."""
    check(await play(case["answers"], client), case["want"])


def check(played: Played, want: dict[str, Any]) -> None:
    """Compare a run with what is right."""
    run = played.run
    assert run.status == want.get("status", "completed"), run.error
    if "text" in want:
        assert run.output == want["text"]
    if "calls" in want:
        answer = next(m for m in run.messages or [] if m.role == "assistant")
        assert [[c.name, c.arguments] for c in answer.tool_calls or []] == want["calls"]
    if "requests" in want:
        assert len(played.server.bodies) == want["requests"]
    if "error" in want:
        assert run.error is not None
        assert run.error.type in want["error"]
    if "incomplete" in want:
        assert run.incomplete_reason == want["incomplete"]
    if "tool_error" in want:
        failed = [m for m in run.messages or [] if m.role == "tool" and m.is_error]
        assert len(failed) == want["tool_error"]
    if "wait" in want:
        shortest, longest = want["wait"]
        assert shortest <= played.waits_s[0] <= longest
