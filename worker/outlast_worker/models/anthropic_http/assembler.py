"""Makes the answer of what comes as Anthropic's message: a stream's events, or one body.

Pure: it knows no connection. Events and pieces that are not known are left out, as Anthropic asks:
https://platform.claude.com/docs/en/build-with-claude/streaming.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from outlast_worker.models.answers import PROVIDERS_OWN, Answer, AnsweredCall
from outlast_worker.models.anthropic_http.layout import Block, fields_of
from outlast_worker.models.anthropic_http.usage import services_usd, usage_of
from outlast_worker.models.faults import CallFailed
from outlast_worker.models.hearing import HeardAnswer, PieceKind
from outlast_worker.models.http.reading import DONE, broken_off, decode, refuse_error

# The fields of a block that grow, by what grows them, and whether watchers see it.
_GROWING: Mapping[str, tuple[str, PieceKind | None]] = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "reasoning"),
    "signature_delta": ("signature", None),
}
# Gateways leave out how these begin.
_BEGUN_BY = {"text_delta": "text", "thinking_delta": "thinking"}
_SHOWN: Mapping[str, PieceKind] = {"text": "text", "thinking": "reasoning"}


@dataclass
class _Growing:
    """A block, so far. `pieces` are those of its fields, and of a call's arguments (`input`)."""

    start: Block
    pieces: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    citations: list[Any] = field(default_factory=list[Any])

    @property
    def is_own_call(self) -> bool:
        """Whether it calls a tool of the agent's, and none that the provider runs itself."""
        call_id = self.start.get("id")
        is_providers = isinstance(call_id, str) and call_id.startswith(PROVIDERS_OWN)
        return self.start.get("type") == "tool_use" and not is_providers

    def grow(self, name: str, piece: Any) -> str:
        """Take more of a field, and return it."""
        text = piece if isinstance(piece, str) else ""
        self.pieces.setdefault(name, []).append(text)
        return text

    @property
    def arguments(self) -> str:
        """A call's arguments as the model wrote them."""
        written = "".join(self.pieces.get("input", ()))
        return written or json.dumps(self.start.get("input") or {})

    def whole(self) -> Block:
        """Return the block."""
        block = dict(self.start)
        for name, pieces in self.pieces.items():
            if name != "input":
                begun = block.get(name)
                block[name] = "".join([begun if isinstance(begun, str) else "", *pieces])
        if block.get("type") == "text" and not isinstance(block.get("text"), str):
            block["text"] = ""
        if "input" in block and not self.is_own_call:
            block["input"] = _read_object(self.arguments)
        if self.citations:
            block["citations"] = [*(block.get("citations") or []), *self.citations]
        return block


class MessagesAssembler:
    """One answer, as it grows."""

    def __init__(self, shown: HeardAnswer) -> None:
        """Begin, and show what comes to whoever watches."""
        self._shown = shown
        self._blocks: dict[int, _Growing] = {}
        self._reason: str | None = None
        self._usage: dict[str, Any] = {}
        self._answers_as = ""

    @property
    def has_ended(self) -> bool:
        """Whether the provider has said why the answer ends."""
        return bool(self._reason)

    def add_event(self, data: bytes) -> bool:
        """Take the data of an event; False if it is the last one.

        Raises:
            CallFailed: It is an error, or can't be read.
        """
        data = data.strip()
        if not data or data == DONE:
            return not data
        event = decode(data)
        if not isinstance(event, dict):
            return True
        said = cast("dict[str, Any]", event)
        match said.get("type"):
            case "message_start":
                self._begin(_object(said.get("message")))
            case "content_block_start":
                self._start(_index(said), _object(said.get("content_block")))
            case "content_block_delta":
                self._grow(_index(said), _object(said.get("delta")))
            case "message_delta":
                self._end(_object(said.get("delta")), said.get("usage"))
            case "message_stop":
                return False
            case kind if kind == "error" or said.get("error"):
                refuse_error(said)
                raise CallFailed.malformed("The model's stream has an error of no words.")
            case _:  # ping, and what is to come
                pass
        return True

    def add_body(self, body: bytes) -> None:
        """Take a whole answer.

        Raises:
            CallFailed: It is an error, or can't be read.
        """
        said = decode(body)
        refuse_error(said)
        if not isinstance(said, dict) or not isinstance(
            cast("dict[str, Any]", said).get("content"), list
        ):
            raise CallFailed.malformed("The model's answer is not a message.")
        message = cast("dict[str, Any]", said)
        self._begin(message)
        self._end(message, None)

    def answer(self) -> Answer:
        """Return the whole answer.

        Raises:
            CallFailed: The provider never said that it has ended.
        """
        if not self._reason:
            raise broken_off()
        growing = [self._blocks[index] for index in sorted(self._blocks)]
        calls = [block for block in growing if block.is_own_call]
        # A call of the provider's own that says it is the agent's has no result that it could have.
        blocks = [b.whole() for b in growing if b.is_own_call or b.start.get("type") != "tool_use"]
        blocks = [block for block in blocks if block.get("type") != "text" or block["text"]]
        usage, written_tokens = usage_of(self._usage)
        return Answer(
            text="".join(block["text"] for block in blocks if block.get("type") == "text"),
            calls=[_call(block) for block in calls],
            finish_reason=self._reason,
            model=self._answers_as,
            usage=usage,
            fields=fields_of(blocks),
            written_tokens=written_tokens,
            services_usd=services_usd(self._usage),
        )

    def _begin(self, message: Block) -> None:
        model = message.get("model")
        self._answers_as = model if isinstance(model, str) else ""
        self._count(message.get("usage"))
        content = message.get("content")
        for index, block in enumerate(cast("list[Any]", content or [])):
            self._start(index, _object(block))

    def _start(self, index: int, block: Block) -> None:
        self._blocks[index] = _Growing(block)
        for name, kind in _SHOWN.items():
            if isinstance(block.get(name), str):
                self._shown.add(kind, block[name])
        if self._blocks[index].is_own_call:
            self._shown.add_call()

    def _grow(self, index: int, delta: Block) -> None:
        block = self._blocks.get(index)
        kind = str(delta.get("type"))
        if block is None:
            if kind not in _BEGUN_BY:
                raise CallFailed.malformed("The model's stream goes on with what it never began.")
            block = self._blocks[index] = _Growing({"type": _BEGUN_BY[kind]})
        if kind == "input_json_delta":
            block.grow("input", delta.get("partial_json"))
            self._shown.add_call()
        elif kind == "citations_delta":
            block.citations.append(delta.get("citation"))
        elif kind in _GROWING:
            name, shown_as = _GROWING[kind]
            piece = block.grow(name, delta.get(name))
            if shown_as:
                self._shown.add(shown_as, piece)

    def _end(self, delta: Block, usage: Any) -> None:
        reason = delta.get("stop_reason")
        if isinstance(reason, str) and reason:
            self._reason = reason
        self._count(usage)

    def _count(self, usage: Any) -> None:
        """Take counts: they are of the whole answer so far."""
        self._usage |= {name: said for name, said in _object(usage).items() if said is not None}


def _call(block: _Growing) -> AnsweredCall:
    name, call_id, caller = (block.start.get(key) for key in ("name", "id", "caller"))
    return AnsweredCall(
        name=name if isinstance(name, str) else "",
        arguments=block.arguments,
        call_id=call_id if isinstance(call_id, str) else None,
        fields={"caller": caller} if caller else {},
    )


def _read_object(text: str) -> dict[str, Any]:
    try:
        return _object(json.loads(text))
    except (ValueError, RecursionError):  # of a call that was cut
        return {}


def _object(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _index(said: Mapping[str, Any]) -> int:
    index = said.get("index")
    return index if isinstance(index, int) else 0
