"""What a response's input means: answers to a run that waits, or something new that is said."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from outlast.errors import UnknownRun
from outlast.events import MessageCompleted, ReadEvent
from outlast.names import RunRef
from outlast.protocol import InputMessage
from outlast_app.auth import check_right
from outlast_app.facades.answering import Answer, Output, Verdict
from outlast_app.facades.ids import Named, name_of_call, read_asked, read_name
from outlast_app.facades.items import text_of
from outlast_app.facades.openai.content import written
from outlast_app.facades.openai.errors import Refused
from outlast_app.facades.openai.response_requests import InputItem, read_history
from outlast_app.facades.reader import committed
from outlast_app.facades.requests import Asked
from outlast_app.facades.segments import RunLog

_MAX_REFERENCES = 1000
_MAX_RUNS = 100
"""Each is read for its references: a client may name a turn of a long chat by each."""
_ANSWERS = ("function_call_output", "mcp_approval_response")
_CALLS = ("fc", "mcp", "mcpr", "call")


class Answers(NamedTuple):
    """Answers to one run, by the keys of the calls and approvals that they are about."""

    ref: RunRef
    by_id: dict[str, Answer]


async def resolve(asked: Asked, items: Sequence[InputItem]) -> list[tuple[int, InputItem]]:
    """Return the input with what its references name in their place; each once.

    Raises:
        MissingRight: The key may not read what they name.
        Refused: There is no such item, or they name more than one request may have read.
    """
    referred = _referred(asked, items)
    if referred:
        check_right(asked.caller, "read")
    found: list[tuple[int, InputItem]] = []
    runs: dict[RunRef, _Said] = {}
    for place, item in enumerate(items):
        if item.kind != "item_reference":
            found.append((place, item))
        elif named := referred.pop(item.id or "", None):
            if named.ref not in runs:
                runs[named.ref] = await _said_in(asked, named.ref, item.id or "", place)
            found += [(place, each) for each in _items_of(named, item.id or "", runs[named.ref])]
    return found


def _referred(asked: Asked, items: Sequence[InputItem]) -> dict[str, Named]:
    """Return what references name, by their ids, before anything is read."""
    referred: dict[str, Named] = {}
    for place, item in enumerate(items):
        if item.kind != "item_reference" or item.id in referred:
            continue
        item_id = item.id or ""
        named = read_name(asked.tenant, item_id, "msg", count=1)
        named = named or read_asked(asked.tenant, item_id, *_CALLS)
        if named is None:
            raise _no_item(item_id, place)
        referred[item_id] = named
    runs = len({named.ref for named in referred.values()})
    if len(referred) > _MAX_REFERENCES or runs > _MAX_RUNS:
        raise Refused(
            "too_many_references",
            f"input: up to {_MAX_REFERENCES} references, to what {_MAX_RUNS} runs have said. Send "
            "previous_response_id, or what was said itself",
            "input",
        )
    return referred


async def _said_in(asked: Asked, ref: RunRef, item_id: str, place: int) -> "_Said":
    try:
        events = await committed(await asked.deps.events.so_far(ref, 0))
    except UnknownRun:
        raise _no_item(item_id, place) from None
    return _Said.of(events)


@dataclass(frozen=True)
class _Said:
    """What a run has said: by turns, and the calls by their ids."""

    texts: dict[int, str]
    log: RunLog

    @classmethod
    def of(cls, events: Iterable[ReadEvent]) -> Self:
        texts: dict[int, str] = {}
        log = RunLog(takes_approvals=True)
        for event in events:
            log.take(event)
            if isinstance(event, MessageCompleted):
                texts[event.turn] = text_of(event.message.content)
        return cls(texts, log)


def _items_of(named: Named, item_id: str, said: _Said) -> list[InputItem]:
    """Return what a run has said in a turn, or which call a client was to run."""
    if len(named.numbers) == 1:
        text = said.texts.get(named.numbers[0])
        return [InputItem(type="message", role="assistant", content=text)] if text else []
    call = None if named.below else said.log.calls.get(named.call_id)
    if call is None or not item_id.startswith(("fc_", "call_")):
        return []
    return [
        InputItem(
            type="function_call",
            call_id=name_of_call("call", named.ref.run_id, call.call_id),
            name=call.name,
            arguments=written(call.arguments),
        )
    ]


def answers_in(
    asked: Asked, items: Iterable[tuple[int, InputItem]], *, must: bool
) -> tuple[Answers | None, list[tuple[int, InputItem]]]:
    """Return the answers at the input's end, and the items that come after what was asked.

    Args:
        asked: The request.
        items: The input, resolved.
        must: Whether what looks like an answer must be one: a decision can't be history.

    Raises:
        Refused: They are about different runs, or about none.
    """
    tail: list[tuple[int, InputItem]] = []
    for place, item in reversed(list(items)):
        is_models = item.role == "assistant" or item.kind in ("function_call", "reasoning")
        if is_models or item.kind in ("mcp_call", "mcp_approval_request"):
            break
        tail.insert(0, (place, item))
    answers: dict[str, Answer] = {}
    refs: set[RunRef] = set()
    for place, item in tail:
        if item.kind not in _ANSWERS:
            continue
        named = _named(asked, item)
        if named is None:
            if must or item.kind == "mcp_approval_response":
                raise _no_item(item.approval_request_id or item.call_id or "", place)
            return None, tail
        refs.add(named.ref)
        answers[named.key] = _answer(named, item, place)
    if not answers:
        return None, tail
    if len(refs) > 1:
        raise Refused("invalid_request_error", "input: answers to several runs", "input")
    return Answers(refs.pop(), answers), tail


def said_beside(tail: Iterable[tuple[int, InputItem]]) -> list[InputMessage]:
    """Return what a user says beside answers."""
    said = [(place, item) for place, item in tail if item.kind == "message" and item.role == "user"]
    return read_history([item for _, item in said], [place for place, _ in said])


def _named(asked: Asked, item: InputItem) -> Named | None:
    if item.kind == "mcp_approval_response":
        return read_asked(asked.tenant, item.approval_request_id or "", "mcpr")
    return read_name(asked.tenant, item.call_id or "", "call", count=2)


def _answer(named: Named, item: InputItem, place: int) -> Answer:
    param = f"input.{place}"
    if item.kind == "function_call_output":
        return Output(named.call_id, item.said(param))
    if item.approve is None:
        raise Refused("invalid_request_error", f"{param}.approve: true or false", param)
    return Verdict(named.call_id, item.approve, item.reason, below=named.below)


def _no_item(item_id: str, place: int) -> Refused:
    return Refused(
        "not_found", f"input.{place}: there is no item {item_id!r}", f"input.{place}", status=404
    )
