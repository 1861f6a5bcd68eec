"""Validates what is recorded of our answers against the types of openai's library, strictly.

The library itself takes what it gets; here each field has to be what its type says.
"""

import json
import sys
from pathlib import Path
from typing import Any

from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
OURS = {"max_turns"}
"""Words of ours, where OpenAI's API has none: why a response is incomplete."""

UNTYPED = {"store"}
"""What OpenAI's servers say, and the library's types lack."""

chunk = TypeAdapter(ChatCompletionChunk)
completion = TypeAdapter(ChatCompletion)
event = TypeAdapter(ResponseStreamEvent)
response = TypeAdapter(Response)


def check(adapter: TypeAdapter[Any], value: Any) -> int:
    """Validate one object; unknown fields are a mistake, too."""
    read = adapter.validate_python(value)
    more = set(getattr(read, "model_extra", None) or ()) - UNTYPED
    assert not more, f"not known: {more}"
    return 1


def without_our_words(value: Any) -> Any:
    """Return an event whose response ended in no word of ours."""
    details = (value.get("response") or {}).get("incomplete_details") or {}
    if details.get("reason") in OURS:
        return {**value, "response": {**value["response"], "incomplete_details": None}}
    return value


def main() -> int:
    count = 0
    chats = json.loads((FIXTURES / "openai-chat.json").read_text())
    for name, answers in chats.items():
        for answer in answers.values():
            for each in answer["chunks"]:
                if each != "[DONE]" and "error" not in each:
                    count += check(chunk, each)
            if answer["completion"]:
                count += check(completion, answer["completion"])
        assert answers, name
    responses = json.loads((FIXTURES / "openai-responses.json").read_text())
    for told in responses.values():
        for events in told.values():
            for each in map(without_our_words, events):
                count += check(event, each)
                if "response" in each:
                    count += check(response, each["response"])
    print(json.dumps({"scenario": "types", "ok": True, "checked": count}))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
