"""A run as a chat completion: in pieces, or whole.

The texts of the segment's turns are one text, with a blank line between them: which turn is the
last is not known while it streams. What was said can't be taken back here, and half of one answer
before another one would be silently wrong: then the stream ends with an error, which is loud.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from outlast.events import MessageCompleted, ReadEvent
from outlast.protocol import Run, Usage
from outlast_app.facades.faults import Fault
from outlast_app.facades.ids import name_of, name_of_call
from outlast_app.facades.items import Committed, Item, Retract, Text, text_of
from outlast_app.facades.openai.content import written
from outlast_app.facades.openai.errors import error_of
from outlast_app.facades.segments import RunLog, below
from outlast_app.facades.streams import frame

_BETWEEN = "\n\n"
_DONE = frame("[DONE]")
_FINISH: Mapping[str, str] = {"content_filter": "content_filter"}
_FAILED: Mapping[str, Fault] = {
    "context-too-long": Fault(400, "context_length_exceeded"),
    "content-policy": Fault(400, "content_policy_violation"),
    "guardrail": Fault(400, "content_policy_violation"),
    "model-rejected": Fault(400, "model_rejected"),
    "model-unavailable": Fault(502, "model_unavailable"),
}


@dataclass(frozen=True)
class ChatName:
    """What all chunks of a completion say alike."""

    run_id: str
    segment: int
    model: str
    created_s: int

    @property
    def completion_id(self) -> str:
        """The completion's id."""
        return name_of("chatcmpl", self.run_id, self.segment, joined_by="-")


@dataclass(frozen=True)
class ChatFailure:
    """Why there is no answer."""

    fault: Fault
    message: str


class ChatEncoder:
    """Says what a segment of a run is as chunks; and, at its end, as one completion."""

    shows_called: ClassVar[bool] = False

    def __init__(self, name: ChatName, *, wants_usage: bool = False, whole: bool = False) -> None:
        """Begin before the run's first event.

        Args:
            name: Of which completion.
            wants_usage: Whether a chunk says at the end what was used.
            whole: Whether the text comes in one piece, at the end, and is the last turn's alone:
                for answers that have to fit a schema, since not all turns' texts do.
        """
        self.failure: ChatFailure | None = None
        self._name = name
        self._wants_usage = wants_usage
        self._whole = whole
        self._log = RunLog(takes_approvals=False)
        self._last_turn: int | None = None
        self._texts: dict[int, str] = {}
        self._is_void = False
        """Whether the client has been shown what no longer counts."""
        self._finished = False

    @property
    def is_over(self) -> bool:
        """Whether all was said."""
        return self._finished or self.failure is not None

    @property
    def waits_for_others(self) -> bool:
        """Whether the run stands still for somebody who is not the client."""
        return self._log.waiting is not None and not self._log.is_over

    @property
    def log(self) -> RunLog:
        """What the run's events say so far."""
        return self._log

    def begin(self) -> bytes:
        """Return the first chunk, which needs to know nothing of the run."""
        return self._chunk({"role": "assistant", "content": ""})

    def take(self, item: Item) -> Iterator[bytes]:
        """Return the chunks that follow from an item."""
        match item:
            case Text(turn, "text", delta) if self._is_mine and not self._whole:
                yield from self._say(turn, delta)
            case Retract(_, chars) if chars and self._is_mine and not self._whole:
                self._is_void = True  # what follows says why
            case Committed(event):
                self._log.take(event)
                if self._is_mine:
                    yield from self._hear(event)
            case _:
                pass

    def end(self) -> Iterator[bytes]:
        """Return that the stream is over before the answer is, if so."""
        if self.is_over:
            return
        code, why = "run_in_progress", "The answer takes longer, or this server ends"
        if self.waits_for_others:
            asked = ", ".join(self._approvals())
            code = "approval_required" if asked else "run_waiting"
            why = f"Somebody has to decide on {asked}" if asked else "The run waits for others"
        yield from self._fail(
            # Not one that libraries repeat: that would begin another run.
            Fault(428, code),
            f"{why}. GET /runs/{self._name.run_id} tells of the run, and the same request with its "
            "Idempotency-Key waits for its answer again.",
        )

    def _approvals(self) -> list[str]:
        """Return what people have to decide on: of this run, and of those below it."""
        called = below(self._log.waiting) if self._log.waiting else []
        return [*self._log.approvals, *(f"{each.id} of the run {each.run_id}" for each in called)]

    def completion(self) -> dict[str, Any]:
        """Return the whole answer, when all was said and nothing failed."""
        calls = self._calls()
        message = {
            "role": "assistant",
            "content": self._content() or (None if calls else ""),
            "refusal": None,
            **({"tool_calls": calls} if calls else {}),
        }
        choice = {
            "index": 0,
            "message": message,
            "finish_reason": self._finish_reason(),
            "logprobs": None,
        }
        return {
            **self._head("chat.completion"),
            "choices": [choice],
            "usage": usage_of(self._log.usage),
        }

    @property
    def _is_mine(self) -> bool:
        return self._log.segment == self._name.segment

    def _hear(self, event: ReadEvent) -> Iterator[bytes]:
        if isinstance(event, MessageCompleted):
            self._texts[event.turn] = text_of(event.message.content)
        if self._is_void and not self._log.ended:
            yield from self._take_back()
        elif self._log.is_over:
            yield from self._finish()

    def _take_back(self) -> Iterator[bytes]:
        yield from self._fail(
            Fault(500, "answer_restarted"),
            "The model was asked again and says something else than before. The same request with "
            f"its Idempotency-Key gives the whole answer, of the run {self._name.run_id}.",
        )

    def _say(self, turn: int, delta: str) -> Iterator[bytes]:
        if self._is_void:
            yield from self._take_back()
            return
        if self._last_turn not in (None, turn):
            delta = _BETWEEN + delta
        self._last_turn = turn
        yield self._chunk({"content": delta})

    def _content(self) -> str:
        if self._whole:
            turns = [text for text in self._texts.values() if text]
            return "" if self._calls() or not turns else turns[-1]
        return _BETWEEN.join(text for text in self._texts.values() if text)

    def _calls(self) -> list[dict[str, Any]]:
        return [
            {
                "id": name_of_call("call", self._name.run_id, call.call_id),
                "type": "function",
                "function": {"name": call.name, "arguments": written(call.arguments)},
            }
            for call in self._log.open_calls
        ]

    def _finish(self) -> Iterator[bytes]:
        run = self._log.ended
        if run and run.status in ("failed", "cancelled"):
            yield from self._fail(*_why_failed(run))
            return
        if self._whole and (text := self._content()):
            yield self._chunk({"content": text})
        for index, call in enumerate(self._calls()):
            yield self._chunk({"tool_calls": [{"index": index, **call}]})
        yield self._chunk({}, self._finish_reason())
        if self._wants_usage:
            yield frame(
                {
                    **self._head("chat.completion.chunk"),
                    "choices": [],
                    "usage": usage_of(self._log.usage),
                }
            )
        yield _DONE
        self._finished = True

    def _finish_reason(self) -> str:
        run = self._log.ended
        if run is None:
            return "tool_calls"
        if run.incomplete_reason:
            return _FINISH.get(run.incomplete_reason, "length")
        return "stop"

    def _fail(self, fault: Fault, message: str) -> Iterator[bytes]:
        self.failure = ChatFailure(fault, message)
        error = error_of(fault, message)
        yield frame({"error": {**error, "run_id": self._name.run_id}})

    def _chunk(self, delta: Mapping[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
        return frame({**self._head("chat.completion.chunk"), "choices": [choice]})

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": self._name.completion_id,
            "object": kind,
            "created": self._name.created_s,
            "model": self._name.model,
        }


def _why_failed(run: Run) -> tuple[Fault, str]:
    if run.error is None:
        return Fault(400, "run_cancelled"), f"The run {run.run_id} was cancelled."
    fault = _FAILED.get(run.error.type, Fault(500, run.error.type.replace("-", "_")))
    return fault, run.error.message


def usage_of(usage: Usage) -> dict[str, Any]:
    """Return what was used, in OpenAI's words."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
