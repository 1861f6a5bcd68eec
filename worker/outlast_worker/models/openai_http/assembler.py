"""Makes the answer of what a server sends in OpenAI's format: a stream's events, or one body.

Pure: it knows no connection. Servers leave out what the format asks for, and add to it; whatever
is of the wrong kind is taken for absent, unless the answer would be another one without it.
"""

from typing import Any, cast

from outlast_worker.models.answers import Answer
from outlast_worker.models.faults import CallFailed
from outlast_worker.models.hearing import HeardAnswer
from outlast_worker.models.http.reading import DONE, broken_off, decode, refuse_error
from outlast_worker.models.openai_http.calls import GrowingCalls
from outlast_worker.models.usage import usage_of

# What a provider may want back, by its name, and is text that comes in pieces.
_REASONING_TEXTS = ("reasoning_content", "reasoning")
_DETAILS = "reasoning_details"
_KEPT = ("extra_content",)
_GROWING = ("text", "summary", "data", "signature")


class Assembler:
    """One answer, as it grows."""

    def __init__(self, shown: HeardAnswer) -> None:
        """Begin, and show what comes to whoever watches."""
        self._shown = shown
        self._texts: list[str] = []
        self._refusals: list[str] = []
        self._calls = GrowingCalls()
        self._fields: dict[str, Any] = {}
        self._reason: str | None = None
        self._usage: Any = None
        self._answers_as = ""

    @property
    def has_ended(self) -> bool:
        """Whether the provider has said why the answer ends: what is missing then is not text."""
        return bool(self._reason)

    def add_event(self, data: bytes) -> bool:
        """Take the data of an event; False if it is the last one.

        Raises:
            CallFailed: It is an error, or can't be read.
        """
        data = data.strip()
        if data == DONE:
            return False
        if data:
            self._add(decode(data), whole=False)
        return True

    def add_body(self, body: bytes) -> None:
        """Take a whole answer.

        Raises:
            CallFailed: It is an error, or can't be read.
        """
        decoded = decode(body)
        self._add(decoded, whole=True)
        if self._reason is None and not isinstance(decoded, dict):
            raise CallFailed.malformed("The model's answer is not a JSON object.")

    def answer(self) -> Answer:
        """Return the whole answer.

        Raises:
            CallFailed: The provider never said that it has ended.
        """
        if not self._reason:
            raise broken_off()
        return Answer(
            text="".join(self._texts or self._refusals),
            calls=self._calls.all(),
            finish_reason=self._reason,
            model=self._answers_as,
            usage=usage_of(self._usage),
            fields=self._joined_fields(),
        )

    def _add(self, event: Any, *, whole: bool) -> None:
        if not isinstance(event, dict):
            refuse_error(event)
            return
        said = cast("dict[str, Any]", event)
        choices = said.get("choices")
        # An empty `error` is none, as is a `message` beside choices.
        if said.get("error") or not choices:
            refuse_error(said)
        if said.get("usage"):
            self._usage = said["usage"]
        if not self._answers_as and isinstance(said.get("model"), str):
            self._answers_as = said["model"]
        if isinstance(choices, list):
            for choice in cast("list[Any]", choices):
                if isinstance(choice, dict):
                    self._add_choice(cast("dict[str, Any]", choice), whole=whole)

    def _add_choice(self, choice: dict[str, Any], *, whole: bool) -> None:
        if choice.get("index") not in (0, None, "0"):
            return
        if choice.get("error"):
            refuse_error(choice)
        if choice.get("usage"):  # Moonshot's place for it
            self._usage = choice["usage"]
        message = choice.get("delta") or choice.get("message")
        if isinstance(message, dict):
            self._add_message(cast("dict[str, Any]", message), whole=whole)
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and not self._reason:
            # Snowflake ends a whole answer so; in a stream it says nothing.
            self._reason = reason or ("stop" if whole else None)

    def _add_message(self, message: dict[str, Any], *, whole: bool) -> None:
        if content := message.get("content"):
            self._add_content(content)
        self._add_reasoning(message)
        if isinstance(refusal := message.get("refusal"), str):
            self._refusals.append(refusal)
        if calls := message.get("tool_calls"):
            self._shown.add_call()
            if whole:
                self._calls.add_whole(calls)
            else:
                self._calls.add_delta(calls)
        elif function := message.get("function_call"):
            self._calls.add_legacy(function, whole=whole)
        for name in _KEPT:
            if message.get(name):
                self._fields[name] = message[name]

    def _add_content(self, content: Any) -> None:
        if isinstance(content, str):
            self._add_text(content)
            return
        for part in cast("list[Any]", content) if isinstance(content, list) else [content]:
            match part:
                case str() | {"text": str()}:
                    self._add_text(part if isinstance(part, str) else part["text"])
                case {"thinking": str(thought)}:
                    self._shown.add("reasoning", thought)
                case {"thinking": [*thoughts]}:  # Mistral's
                    self._add_thoughts(thoughts)
                case _:
                    pass

    def _add_thoughts(self, thoughts: list[Any]) -> None:
        for thought in thoughts:
            match thought:
                case {"text": str(text)}:
                    self._shown.add("reasoning", text)
                case _:
                    pass

    def _add_text(self, text: str) -> None:
        self._texts.append(text)
        self._shown.add("text", text)

    def _add_reasoning(self, message: dict[str, Any]) -> None:
        shown = ""
        for name in _REASONING_TEXTS:
            piece = message.get(name)
            if piece and isinstance(piece, str):
                self._fields.setdefault(name, []).append(piece)
                shown = shown or piece
        if shown:
            self._shown.add("reasoning", shown)
        details = message.get(_DETAILS)
        if isinstance(details, list):
            kept: list[dict[str, Any]] = self._fields.setdefault(_DETAILS, [])
            for detail in cast("list[Any]", details):
                if isinstance(detail, dict):
                    _merge_detail(kept, cast("dict[str, Any]", detail))

    def _joined_fields(self) -> dict[str, Any]:
        return {
            name: "".join(kept) if name in _REASONING_TEXTS else kept
            for name, kept in self._fields.items()
            if kept
        }


def _merge_detail(kept: list[dict[str, Any]], detail: dict[str, Any]) -> None:
    """Add a piece of OpenRouter's `reasoning_details` to the one that it goes on with."""
    last = kept[-1] if kept else None
    goes_on = last is not None and all(
        last.get(name) == detail.get(name) for name in ("type", "index")
    )
    if last is None or not goes_on or "index" not in detail:
        kept.append(dict(detail))
        return
    for name, value in detail.items():
        if name in _GROWING and isinstance(value, str) and isinstance(last.get(name), str):
            last[name] += value
        elif value is not None:
            last[name] = value
