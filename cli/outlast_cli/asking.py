"""Asks whoever sits at the terminal for a decision, by the reason of the approval."""

import getpass
from collections.abc import Callable, Mapping

from pydantic import JsonValue

from outlast.protocol import Approval, CallResult, Decision, Limits
from outlast_cli.editing import Arguments, edit, parse_json
from outlast_cli.fields import ask_for_content
from outlast_cli.keyboard import ask
from outlast_cli.output import printable, say

_Asking = Callable[[Approval, Arguments], Decision | None]


def ask_for_decision(asked: Approval, arguments: Arguments) -> Decision | None:
    """Return what the person decides, or None for later, which Ctrl-D means too.

    Args:
        asked: What is to be decided on.
        arguments: As they are now; an attempt before may have changed them.
    """
    if asked.question:
        say(printable(asked.question))
    while True:
        try:
            choices, by_word = _CHOICES.get(asked.reason, _CHOICES["approval"])
            word = ask(f"{choices}, or [l]ater").lower()
            if word and "later".startswith(word):
                return None
            choice = next(
                (by_word[name] for name in by_word if word and name.startswith(word)), None
            )
            if choice and (decision := choice(asked, arguments)):
                return decision
        except EOFError:
            return None
        except ValueError as error:
            say(f"That does not work: {error}.")


def ask_for_result(name: str) -> CallResult | None:
    """Return what a person at the terminal answers for a client; None for later, or Ctrl-D."""
    try:
        output = ask(f"Result of {name}, nothing for later")
    except EOFError:
        return None
    return CallResult(output=output, by=whoami()) if output else None


def whoami() -> str | None:
    """Return who sits at the terminal, by the name of the account."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # an account without a name, as in some containers
        return None


def read_value(text: str) -> JsonValue:
    """Read JSON; what is none is taken as a text."""
    try:
        return parse_json(text)
    except ValueError:
        return text


def _approve(_: Approval, __: Arguments) -> Decision:
    return Decision(action="approve", by=whoami())


def _edit(asked: Approval, arguments: Arguments) -> Decision | None:
    changed = edit(asked.name, arguments)
    if changed is None:
        return None
    return Decision(action="approve", arguments=changed, by=whoami())


def _reject(_: Approval, __: Arguments) -> Decision:
    return Decision(action="reject", reason=ask("Reason") or None, by=whoami())


def _retry(_: Approval, __: Arguments) -> Decision:
    return Decision(action="retry", by=whoami())


def _complete(_: Approval, __: Arguments) -> Decision:
    return Decision(action="complete", output=read_value(ask("Its result")), by=whoami())


def _give_up(_: Approval, __: Arguments) -> Decision:
    return Decision(action="give_up", reason=ask("Reason") or None, by=whoami())


def _raise(asked: Approval, _: Arguments) -> Decision:
    limits = Limits.model_validate({asked.name: parse_json(ask(f"New {asked.name}"))})
    return Decision(action="raise", limits=limits, by=whoami())


def _stop(_: Approval, __: Arguments) -> Decision:
    return Decision(action="stop", by=whoami())


def _answer(asked: Approval, _: Arguments) -> Decision:
    if asked.content_schema is None and asked.url is None:  # of a server that does not tell
        return Decision(action="answer", content=read_value(ask("Answer")), by=whoami())
    return Decision(action="answer", content=ask_for_content(asked), by=whoami())


def _decline(_: Approval, __: Arguments) -> Decision:
    return Decision(action="decline", by=whoami())


_CHOICES: Mapping[str, tuple[str, Mapping[str, _Asking]]] = {
    "approval": (
        "[a]pprove, [r]eject, [e]dit the arguments",
        {"approve": _approve, "reject": _reject, "edit": _edit},
    ),
    "in_doubt": (
        "[r]etry (it did not happen), [c]omplete (it did), [g]ive up",
        {"retry": _retry, "complete": _complete, "give up": _give_up},
    ),
    "limit": ("[r]aise it, [s]top", {"raise": _raise, "stop": _stop}),
    "input": ("[a]nswer, [d]ecline", {"answer": _answer, "decline": _decline}),
}
