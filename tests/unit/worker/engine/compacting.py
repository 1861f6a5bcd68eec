"""Runs whose prompts grow too long."""

from typing import Any

from fakes.records import answer, model_fault, pin
from fakes.steps import FakeSteps
from outlast.contract import ConversationMark
from outlast.events import Compacted
from outlast.protocol import InputMessage, Usage
from outlast_worker.engine.records import ModelRecord, Pin, PinnedCompaction
from unit.worker.engine.playing import remembered

LONG = ConversationMark(digest="d", messages=6, bytes=9_000, tokens=800)
HISTORY = [remembered("user" if n % 2 == 0 else "assistant", f"said {n}") for n in range(6)]
TOO_LONG = model_fault(None, kind="context-too-long")


def policy(how: Any = "summary", **fields: Any) -> PinnedCompaction:
    given: dict[str, Any] = {"how": how, "at": 0.7, "windows": {"openai/x": 1_000}}
    return PinnedCompaction(**{**given, **fields})


def pinned(how: Any = "summary", **limits: Any) -> Pin:
    return pin("find", compaction=policy(how), **limits)


def counted(text: str, tokens: int, *calls: tuple[str, str]) -> ModelRecord:
    usage = Usage(model_calls=1, input_tokens=tokens, output_tokens=0, cost_usd=0.0)
    return answer(text, *calls, usage=usage)


def said(count: int) -> list[InputMessage]:
    roles = ["user", "assistant"] * count
    return [InputMessage(role=roles[n], content=f"{n}") for n in range(count)]  # pyright: ignore[reportArgumentType]  # texts of a literal


def compacted(steps: FakeSteps) -> list[Compacted]:
    return [event for event in steps.events if isinstance(event, Compacted)]


def asked(steps: FakeSteps) -> list[int | None]:
    """Return of each model call how many messages were left out."""
    return [call.stand_in and call.stand_in.covers for call in steps.calls]
