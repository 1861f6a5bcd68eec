"""What the demo model says: a few rules instead of a model. Pure: messages in, one answer out.

It plays customer support with the tools `find_order` and `refund` when a request offers them, and
else repeats what it was asked. A tool that it doesn't know is never called.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from outlast_local.demo_model.openai_wire import (
    Answer,
    ToolCall,
    content_text,
    count_usage,
    parse_object,
)

NOTICE = (
    "(I am a stand-in with fixed rules: no real model was called. "
    "For a real one, set OPENAI_API_KEY and MODEL in .env.)"
)

_ORDER = re.compile(r"\b[A-Z]-\d{3,}\b")
_REFUND = re.compile(r"\brefund|\bmoney\b.*\bback\b|\bpay\b.*\bback\b", re.IGNORECASE | re.DOTALL)
_NUMBER = r"(?<![\d.,])(?:\d{1,3}(?:[.,]\d{3})+|\d+)(?:[.,]\d{1,2})?(?![.,]?\d)"
_AMOUNT = re.compile(
    rf"(?P<cents>(?<![\d.,])\d+)\s*cents?\b"
    rf"|(?:€|\beur\b)\s*(?P<after>{_NUMBER})"
    rf"|(?P<before>{_NUMBER})\s*(?:€|euros?\b|eur\b)"
    rf"|(?P<bare>(?<![\d.,])\d+[.,]\d{{2}}(?![.,]?\d))",
    re.IGNORECASE,
)
_GIST_WORDS = 20

# What a result must hold to be one; anything else is the text of an error.
_FIELDS: Mapping[str, Mapping[str, type]] = {
    "find_order": {
        "customer": str,
        "item": str,
        "total_cents": int,
        "status": str,
        "refunded_cents": int,
    },
    "refund": {"refund_id": str, "cents": int},
}


@dataclass(frozen=True)
class _Result:
    """What came back for one order: an object, or a text that says why not."""

    value: Mapping[str, Any] | None
    text: str


@dataclass(frozen=True)
class _Turn:
    """The last user message, and the tool results since, by tool and order."""

    question: str
    orders: tuple[str, ...]
    offered: frozenset[str]
    results: Mapping[tuple[str, str], _Result]

    @property
    def wants_refund(self) -> bool:
        return "refund" in self.offered and bool(_REFUND.search(self.question))

    def order(self, order_id: str) -> Mapping[str, Any] | None:
        result = self.results.get(("find_order", order_id))
        return result.value if result else None


def answer(request: Mapping[str, Any]) -> Answer:
    """Answer a chat-completions request."""
    messages: Sequence[Mapping[str, Any]] = request["messages"]
    turn = _read(request)
    calls = _next_calls(turn)
    if calls:
        made = Answer(tool_calls=_numbered(calls, after=len(messages)))
    elif turn.orders and "find_order" in turn.offered:
        made = Answer(text=f"{' '.join(_report(turn, order) for order in turn.orders)} {NOTICE}")
    else:
        made = Answer(text=f"{_small_talk(messages, turn.question)} {NOTICE}")
    return replace(made, usage=count_usage(messages, made))


def amounts_in_cents(text: str) -> list[int]:
    """Find the amounts that a text names, e.g. `€12.50`, `12,50 euros` or `1250 cents`."""
    return [_cents(match) for match in _AMOUNT.finditer(_ORDER.sub(" ", text))]


def _read(request: Mapping[str, Any]) -> _Turn:
    messages: Sequence[Mapping[str, Any]] = request["messages"]
    start = _last_user_index(messages)
    question = content_text(messages[start]) if start >= 0 else ""
    orders = tuple(dict.fromkeys(_ORDER.findall(question)))
    return _Turn(question, orders, _offered(request), _results(messages[start + 1 :]))


def _next_calls(turn: _Turn) -> list[tuple[str, dict[str, Any]]]:
    if "find_order" not in turn.offered:
        return []
    unknown = [order for order in turn.orders if ("find_order", order) not in turn.results]
    if unknown:
        return [("find_order", {"order_id": order}) for order in unknown]
    return _refund_calls(turn) if turn.wants_refund else []


def _refund_calls(turn: _Turn) -> list[tuple[str, dict[str, Any]]]:
    calls: list[tuple[str, dict[str, Any]]] = []
    for index, order_id in enumerate(turn.orders):
        cents = _to_refund(turn, index)
        if cents > 0 and ("refund", order_id) not in turn.results:
            reason = "Asked for by the customer"
            calls.append(("refund", {"order_id": order_id, "cents": cents, "reason": reason}))
    return calls


def _to_refund(turn: _Turn, index: int) -> int:
    """Return the amount for one of the orders: the one named for it or for all, else the rest."""
    order = turn.order(turn.orders[index])
    if order is None:
        return 0
    named = amounts_in_cents(turn.question)
    if named:
        return named[index] if len(named) == len(turn.orders) else named[0]
    return int(order["total_cents"]) - int(order["refunded_cents"])


def _report(turn: _Turn, order_id: str) -> str:
    order = turn.order(order_id)
    if order is None:
        return f"I could not look up {order_id}: {turn.results['find_order', order_id].text}"
    what = f"{order_id} ({order['item']})"
    if not turn.wants_refund:
        return _description(order, what)
    result = turn.results.get(("refund", order_id))
    if result is None:
        return f"There is nothing left to refund for {what}."
    if result.value is None:
        return f"I could not refund {what}: {result.text}"
    paid = result.value
    return f"I refunded {_euros(paid['cents'])} for {what}; the refund is {paid['refund_id']}."


def _description(order: Mapping[str, Any], what: str) -> str:
    refunded = int(order["refunded_cents"])
    paid_back = f", {_euros(refunded)} of it refunded" if refunded else ""
    total = _euros(order["total_cents"])
    whose = f"{what} for {order['customer']}"
    return f"Order {whose} costs {total}{paid_back} and is {order['status']}."


def _small_talk(messages: Sequence[Mapping[str, Any]], question: str) -> str:
    before = messages[: max(_last_user_index(messages), 0)]
    earlier = sum(message.get("role") == "user" or _is_answer(message) for message in before)
    words = question.split()
    gist = " ".join(words[:_GIST_WORDS]) + (" …" if len(words) > _GIST_WORDS else "")
    plural = "message" if earlier == 1 else "messages"
    return f"You wrote: “{gist}”. I remember {earlier} earlier {plural} of this conversation."


def _is_answer(message: Mapping[str, Any]) -> bool:
    return message.get("role") == "assistant" and bool(content_text(message))


def _results(messages: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], _Result]:
    """Pair each tool result with its call, by the call's id."""
    calls: dict[str, tuple[str, str]] = {}
    results: dict[tuple[str, str], _Result] = {}
    for message in messages:
        tool_calls: Iterable[Mapping[str, Any]] = message.get("tool_calls") or ()
        for call in tool_calls:
            function = call["function"]
            calls[call["id"]] = (function["name"], _order_id(function["arguments"]))
        if message.get("role") == "tool" and message.get("tool_call_id") in calls:
            call_of = calls[message["tool_call_id"]]
            results[call_of] = _result(call_of[0], content_text(message))
    return results


def _result(tool: str, text: str) -> _Result:
    value = parse_object(text) or {}
    complete = all(
        isinstance(value.get(key), type_) for key, type_ in _FIELDS.get(tool, {}).items()
    )
    return _Result(value if complete else None, text)


def _order_id(arguments: str) -> str:
    return str((parse_object(arguments) or {}).get("order_id", ""))


def _offered(request: Mapping[str, Any]) -> frozenset[str]:
    if request.get("tool_choice") == "none":
        return frozenset()
    tools: Iterable[Mapping[str, Any]] = request.get("tools") or ()
    return frozenset(tool["function"]["name"] for tool in tools if tool.get("type") == "function")


def _last_user_index(messages: Sequence[Mapping[str, Any]]) -> int:
    users = [index for index, message in enumerate(messages) if message.get("role") == "user"]
    return users[-1] if users else -1


def _numbered(calls: Iterable[tuple[str, dict[str, Any]]], *, after: int) -> tuple[ToolCall, ...]:
    return tuple(
        ToolCall(f"call_{after}_{index}", name, json.dumps(arguments))
        for index, (name, arguments) in enumerate(calls)
    )


def _cents(match: re.Match[str]) -> int:
    if match["cents"]:
        return int(match["cents"])
    number = match["after"] or match["before"] or match["bare"]
    whole, decimals = re.fullmatch(r"(.*?)(?:[.,](\d{1,2}))?", number).groups()  # pyright: ignore[reportOptionalMemberAccess]  # matches any text
    return int(re.sub(r"[.,]", "", whole)) * 100 + int((decimals or "").ljust(2, "0"))


def _euros(cents: int) -> str:
    return f"€{cents / 100:.2f}"
