"""Makes the answer of what comes over `/responses`: a stream's events, or one body.

Pure, as the assembler of chats is. An answer is whole once the provider says that the response is
completed or incomplete; what it had said until then counts for watchers only.
"""

from typing import Any, cast

from outlast_worker.models.answers import Answer, AnsweredCall
from outlast_worker.models.faults import CallFailed
from outlast_worker.models.hearing import HeardAnswer, PieceKind
from outlast_worker.models.http.reading import DONE, broken_off, decode, refuse_error
from outlast_worker.models.openai_http.responses_request import OUTPUT
from outlast_worker.models.usage import usage_of

_SHOWN: dict[str, PieceKind] = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "text",
    "response.reasoning_summary_text.delta": "reasoning",
    "response.reasoning_text.delta": "reasoning",
}
_LAST = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")
_INCOMPLETE = {"max_output_tokens": "length", "max_tokens": "length"}


class ResponsesAssembler:
    """One answer, as it grows."""

    def __init__(self, model: str, shown: HeardAnswer) -> None:
        """Begin.

        Args:
            model: As the agent names it, with its provider.
            shown: To whoever watches.
        """
        self._model = model
        self._shown = shown
        self._items: dict[int, dict[str, Any]] = {}
        self._response: dict[str, Any] | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the provider has said that this is all."""
        return self._response is not None

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
        kind = said.get("type")
        if kind in _LAST:
            self._end(said.get("response"))
            return False
        if kind in _SHOWN:
            if isinstance(said.get("delta"), str):
                self._shown.add(_SHOWN[kind], said["delta"])
        elif kind == "response.function_call_arguments.delta":
            self._shown.add_call()
        elif kind == "response.output_item.done":
            self._keep(said)
        elif kind == "error" or said.get("error"):
            refuse_error(said)
        return True

    def add_body(self, body: bytes) -> None:
        """Take a whole answer.

        Raises:
            CallFailed: It is an error, or can't be read.
        """
        self._end(decode(body))

    def answer(self) -> Answer:
        """Return the whole answer.

        Raises:
            CallFailed: The provider never said that it has ended.
        """
        if self._response is None:
            raise broken_off()
        items = self._output(self._response)
        calls = [_call(item) for item in items if item.get("type") == "function_call"]
        model = self._response.get("model")
        return Answer(
            text="".join(_text(item) for item in items),
            calls=calls,
            finish_reason=_reason(self._response, has_calls=bool(calls)),
            model=model if isinstance(model, str) else "",
            usage=usage_of(self._response.get("usage")),
            fields=_kept(self._model, items),
        )

    def _keep(self, event: dict[str, Any]) -> None:
        item, index = event.get("item"), event.get("output_index")
        if isinstance(item, dict):
            place = index if isinstance(index, int) else len(self._items)
            self._items[place] = cast("dict[str, Any]", item)

    def _end(self, response: Any) -> None:
        if not isinstance(response, dict):
            raise CallFailed.malformed("The model's answer is not a response.")
        said = cast("dict[str, Any]", response)
        refuse_error(said)
        if not isinstance(said.get("status"), str):
            raise CallFailed.malformed("The model's answer is not a response.")
        self._response = said

    def _output(self, response: dict[str, Any]) -> list[dict[str, Any]]:
        """Return what came: the final list has all of it, unless a server leaves it out there."""
        output = response.get("output")
        items = cast("list[Any]", output) if isinstance(output, list) else []
        whole = [cast("dict[str, Any]", item) for item in items if isinstance(item, dict)]
        return whole or [self._items[index] for index in sorted(self._items)]


def _reason(response: dict[str, Any], *, has_calls: bool) -> str:
    status = response["status"]
    if status == "completed":
        return "tool_calls" if has_calls else "stop"
    details = response.get("incomplete_details")
    if status == "incomplete" and isinstance(details, dict):
        reason = str(cast("dict[str, Any]", details).get("reason"))
        return _INCOMPLETE.get(reason, reason)
    return status


def _text(item: dict[str, Any]) -> str:
    if item.get("type") != "message" or not isinstance(item.get("content"), list):
        return ""
    parts = [
        cast("dict[str, Any]", part)
        for part in cast("list[Any]", item["content"])
        if isinstance(part, dict)
    ]
    said = (part.get("text") or part.get("refusal") for part in parts)
    return "".join(piece for piece in said if isinstance(piece, str))


def _call(item: dict[str, Any]) -> AnsweredCall:
    arguments, call_id = item.get("arguments"), item.get("call_id")
    return AnsweredCall(
        name=str(item.get("name") or ""),
        arguments=arguments if isinstance(arguments, str) else "",
        call_id=call_id if isinstance(call_id, str) else None,
    )


def _kept(model: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    """Return reasoning, encrypted as it is, and its place among text and calls."""
    order: list[Any] = []
    for item in items:
        match item.get("type"):
            case "reasoning" if item.get("encrypted_content"):
                names = ("type", "id", "summary", "encrypted_content")
                order.append({name: item[name] for name in names if name in item})
            case "function_call":
                order.append("call")
            case "message":
                order.append("text")
            case _:
                pass
    if not any(isinstance(each, dict) for each in order):
        return {}
    name = model.partition("/")[2].removeprefix("responses/")
    return {OUTPUT: {"model": name, "items": order}}
