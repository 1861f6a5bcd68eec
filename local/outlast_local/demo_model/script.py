r"""What the demo model does with tools that it was told about: `demo_rules.toml` beside the agents.

Each `[[rule]]` of that file is about one tool and, for each thing that a message names (say, an
order's number), decides on one call:

    tool   = "refund"                          # which
    each   = { order_id = '\b[A-Z]-\d{3,}\b' }  # the things, and the parameter that takes them
    when   = '(?i)\brefund'                    # only if the message matches
    after  = "find_order"                      # only once this tool has a result for the thing
    set    = { reason = "Asked for" }          # other arguments: a text, or a number of cents
                                               #   { cents = "total_cents - refunded_cents" },
                                               #   unless the message names an amount
    say    = "I refunded {cents:euros}."       # of a result with these fields (`{text}` is all
                                               #   of it, as it is), else:
    error  = "I could not: {error}"
    nothing = "There is nothing left."         # instead of a call with a number of zero or less
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter

from outlast_local.demo_model.amounts import amounts_in_cents, euros
from outlast_local.demo_model.conversation import Json, MadeCall, Turn

FILE = "demo_rules.toml"
_FIELD = re.compile(r"\{(\w+)(?::(euros))?\}")


class _Cents(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    cents: str

    def of(self, known: Json) -> int:
        """Return the first field less the others."""
        first, *others = (int(known[name.strip()]) for name in self.cents.split("-"))
        return first - sum(others)


class Rule(BaseModel):
    """About one tool; see above."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tool: str
    each: dict[str, str]
    when: str = ""
    after: str | None = None
    set: dict[str, str | _Cents] = {}
    say: str
    error: str
    nothing: str = ""

    @property
    def parameter(self) -> str:
        """The one that takes the thing."""
        return next(iter(self.each))

    def things(self, turn: Turn) -> list[str]:
        """Return what the message names, each once."""
        return list(dict.fromkeys(re.findall(self.each[self.parameter], turn.question)))

    def applies(self, turn: Turn) -> bool:
        """Tell whether the message asks for it and the tool is there, or was."""
        known = {*turn.tools, *(call.tool for call in turn.made)}
        return self.tool in known and re.search(self.when, turn.question, re.DOTALL) is not None

    def made(self, turn: Turn, thing: str) -> MadeCall | None:
        """Return the call for a thing, if there was one."""
        calls = (call for call in turn.made if call.tool == self.tool)
        return next((call for call in calls if call.arguments.get(self.parameter) == thing), None)

    def result(self, call: MadeCall, known: Json) -> Json | None:
        """Return what is known after a call, or None if its result is an error."""
        known = {**known, **call.arguments, "text": call.result, **(call.value or {})}
        wanted = {name for name, _ in _FIELD.findall(self.say)}
        return known if wanted <= known.keys() else None


class Script:
    """The rules for the tools of some agents."""

    def __init__(self, rules: tuple[Rule, ...] = ()) -> None:
        self.rules = rules

    def knows(self, tool: str) -> bool:
        """Tell whether there is a rule for a tool."""
        return any(rule.tool == tool for rule in self.rules)

    def calls(self, turn: Turn) -> list[tuple[str, Json]]:
        """Return the calls that come next, of all rules that apply."""
        rules = [rule for rule in self.rules if rule.tool in turn.tools and rule.applies(turn)]
        return [call for rule in rules for call in self._calls(rule, turn)]

    def report(self, turn: Turn) -> str:
        """Say what came of all calls; nothing, if there were none."""
        things = dict.fromkeys(thing for rule in self.rules for thing in rule.things(turn))
        return " ".join(filter(None, (self._sentence(turn, thing) for thing in things)))

    def _calls(self, rule: Rule, turn: Turn) -> Iterator[tuple[str, Json]]:
        things = rule.things(turn)
        for index, thing in enumerate(things):
            known = self._known(rule, turn, thing)
            if known is None or rule.made(turn, thing):
                continue
            arguments: dict[str, str | int] = {rule.parameter: thing}
            cents = _named_amount(rule, turn, index, len(things))
            for name, value in rule.set.items():
                arguments[name] = (
                    value if isinstance(value, str) else value.of(known) if cents is None else cents
                )
            if all(value > 0 for value in arguments.values() if isinstance(value, int)):
                yield rule.tool, arguments

    def _known(self, rule: Rule, turn: Turn, thing: str) -> Json | None:
        """Return what is known of a thing; None where a call has to come first, or failed."""
        if rule.after is None:
            return {}
        before = next(other for other in self.rules if other.tool == rule.after)
        call = before.made(turn, thing)
        return before.result(call, {}) if call else None

    def _sentence(self, turn: Turn, thing: str) -> str:
        """Return what the last rule says that got as far as this thing."""
        for rule in reversed(self.rules):
            known = self._known(rule, turn, thing)
            if known is None or not rule.applies(turn) or thing not in rule.things(turn):
                continue
            call = rule.made(turn, thing)
            if call is None:
                return _filled(rule.nothing, {**known, rule.parameter: thing})
            result = rule.result(call, known)
            if result is None:
                return _filled(rule.error, {**known, **call.arguments, "error": call.result})
            return _filled(rule.say, result)
        return ""


def load(module: str) -> Script:
    """Read the rules of a module of agents, without importing it; no file, no rules."""
    root, *rest = module.split(".")
    spec = PathFinder.find_spec(root, sys.path) if root else None
    for location in (spec and spec.submodule_search_locations) or ():
        path = Path(location, *rest, FILE)
        if path.exists():
            return Script(_RULES.validate_python(tomllib.loads(path.read_text())).rule)
    return Script()


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: tuple[Rule, ...]


_RULES = TypeAdapter(_File)


def _named_amount(rule: Rule, turn: Turn, index: int, count: int) -> int | None:
    """Return the amount that the message names for one of the things, or for all of them."""
    text = re.sub(rule.each[rule.parameter], " ", turn.question)
    named = amounts_in_cents(text)
    if not named:
        return None
    return named[index] if len(named) == count else named[0]


def _filled(text: str, known: Mapping[str, Any]) -> str:
    def value(match: re.Match[str]) -> str:
        found = known.get(match[1], "")
        return euros(found) if match[2] and isinstance(found, int) else str(found)

    return _FIELD.sub(value, text)
