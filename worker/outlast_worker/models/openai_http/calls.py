"""Puts tool calls together from their pieces.

By the book a call's first piece has its index, id and name, and the others have the index. Servers
leave out or repeat each of these, so what opens a new call is decided by all of them.
"""

import json
from dataclasses import dataclass, field
from typing import Any, cast

from outlast_worker.models.answers import AnsweredCall, is_json

_KEPT = ("extra_content",)


@dataclass
class _Growing:
    index: int | None
    call_id: str
    name: str = ""
    arguments: list[str] = field(default_factory=list[str])
    fields: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def is_whole(self) -> bool:
        """Whether its arguments are there, and can't go on."""
        text = "".join(self.arguments)
        return bool(text.strip()) and is_json(text)

    def add(self, name: str, arguments: str, fields: dict[str, Any]) -> None:
        # Sent again whole, or growing, or in pieces: what servers do with a name.
        if name and not self.arguments and name != self.name:
            self.name = name if name.startswith(self.name) else self.name + name
        if arguments:
            self.arguments.append(arguments)
        self.fields |= fields


class GrowingCalls:
    """A message's tool calls, so far."""

    def __init__(self) -> None:
        self._calls: list[_Growing] = []

    def add_delta(self, pieces: Any) -> None:
        """Take the pieces of one event; without an index they are of different calls."""
        for place, piece in enumerate(_objects(pieces)):
            self._add(piece, is_first=place == 0)

    def add_whole(self, calls: Any) -> None:
        """Take the calls of a whole message: each is one."""
        for call in _objects(calls):
            self._calls.append(_Growing(None, _id(call)))
            self._fill(self._calls[-1], call)

    def add_legacy(self, function: Any, *, whole: bool) -> None:
        """Take the one call that an answer could have before there were tools."""
        if isinstance(function, dict):
            piece: dict[str, Any] = {"function": function}
            if whole:
                self.add_whole([piece])
            else:
                self.add_delta([{"index": 0, **piece}])

    def all(self) -> list[AnsweredCall]:
        """Return the calls in their order, without those that have no name."""
        ordered = sorted(self._calls, key=lambda call: call.index or 0)  # stable
        return [
            AnsweredCall(call.name, "".join(call.arguments), call.call_id or None, call.fields)
            for call in ordered
            if call.name
        ]

    def _add(self, piece: dict[str, Any], *, is_first: bool) -> None:
        index, call_id, name = _index(piece), _id(piece), _name(piece)
        call = self._find(index, call_id, is_first=is_first)
        is_named_anew = index is None and not call_id and bool(name)
        if (
            call is None
            or _opens_another(call, call_id, name, _arguments(piece))
            or (is_named_anew and call.name not in ("", name))
        ):
            call = _Growing(index, call_id)
            self._calls.append(call)
        self._fill(call, piece)

    def _find(self, index: int | None, call_id: str, *, is_first: bool) -> _Growing | None:
        """Return the call that a piece seems to go on with."""
        if index is not None:
            same = (call for call in reversed(self._calls) if call.index == index)
            return next(same, None)
        if call_id:
            same = (call for call in reversed(self._calls) if call.call_id == call_id)
            return next(same, None)
        return self._calls[-1] if self._calls and is_first else None

    def _fill(self, call: _Growing, piece: dict[str, Any]) -> None:
        call.call_id = call.call_id or _id(piece)
        kept = {name: piece[name] for name in _KEPT if piece.get(name)}
        call.add(_name(piece), _arguments(piece), kept)


def _opens_another(call: _Growing, call_id: str, name: str, arguments: str) -> bool:
    """Tell whether a piece at the place of a call begins another one."""
    if call_id and call.call_id and call_id != call.call_id:
        return True
    return bool(name and arguments) and call.is_whole


def _objects(value: Any) -> list[dict[str, Any]]:
    items = cast("list[Any]", value) if isinstance(value, list) else [value]
    return [cast("dict[str, Any]", item) for item in items if isinstance(item, dict)]


def _index(piece: dict[str, Any]) -> int | None:
    index = piece.get("index")
    if isinstance(index, str) and index.isdecimal():
        return int(index)
    return index if isinstance(index, int) and not isinstance(index, bool) else None


def _id(piece: dict[str, Any]) -> str:
    call_id = piece.get("id")
    return "" if call_id is None or isinstance(call_id, bool) else str(call_id)


def _function(piece: dict[str, Any]) -> dict[str, Any]:
    function = piece.get("function")
    return cast("dict[str, Any]", function) if isinstance(function, dict) else piece


def _name(piece: dict[str, Any]) -> str:
    name = _function(piece).get("name")
    return name if isinstance(name, str) else ""


def _arguments(piece: dict[str, Any]) -> str:
    """Return arguments as a text; some servers send the object itself."""
    arguments = _function(piece).get("arguments")
    if arguments is None:
        return ""
    return arguments if isinstance(arguments, str) else json.dumps(arguments)
