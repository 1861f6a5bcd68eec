"""What a scripted model does in one call: answer, ask for tools, or fail."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic_core import to_json

from outlast.arguments import UnreadableArguments, read_arguments
from outlast.protocol import Usage
from outlast_worker.models.faults import Symptoms

FaultKind = Literal[
    "rate-limit",
    "unavailable",
    "timeout",
    "malformed",
    "auth",
    "not-found",
    "rejected",
    "quota",
    "context-too-long",
    "content-policy",
]
_SYMPTOMS: dict[FaultKind, Symptoms] = {
    "rate-limit": Symptoms("Rate limit reached.", status=429),
    "unavailable": Symptoms("The model is overloaded.", status=503),
    "timeout": Symptoms("", "timeout"),
    "malformed": Symptoms("The model's answer can't be read.", "malformed"),
    "auth": Symptoms("Invalid API key.", status=401),
    "not-found": Symptoms("There is no such model.", status=404),
    "rejected": Symptoms("The request is not valid.", status=400),
    "quota": Symptoms("The quota is used up.", status=429, code="insufficient_quota"),
    "context-too-long": Symptoms(
        "The conversation exceeds the model's maximum context length.",
        status=400,
        code="context_length_exceeded",
    ),
    "content-policy": Symptoms("It was filtered.", status=400, code="content_filter"),
}


@dataclass(frozen=True)
class ScriptedCall:
    """A tool call, with its arguments as the model writes them."""

    name: str
    arguments: str

    def __str__(self) -> str:
        try:
            given = read_arguments(self.arguments)
        except UnreadableArguments:
            return f"raw_call({self.name!r}, {self.arguments!r})"
        named = [f"{name}={value!r}" for name, value in given.items()]
        return f"call({', '.join([repr(self.name), *named])})"


@dataclass(frozen=True)
class ScriptedAnswer:
    """A whole answer. Made by `text`, `call`, `raw_call` and `calls`."""

    text: str = ""
    calls: tuple[ScriptedCall, ...] = ()
    finish_reason: str = "stop"
    usage: Usage | None = None
    pieces: tuple[str, ...] = ()
    reasoning: str = ""

    def __str__(self) -> str:
        if not self.calls:
            return f"text({self.text!r})"
        if len(self.calls) == 1 and not self.text:
            return str(self.calls[0])
        said = [f"text={self.text!r}"] if self.text else []
        return f"calls({', '.join([*(str(each) for each in self.calls), *said])})"


@dataclass(frozen=True)
class ScriptedFault:
    """A call without an answer. Made by `fault`."""

    kind: FaultKind
    symptoms: Symptoms
    pieces: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"fault({self.kind!r})"


Scripted = ScriptedAnswer | ScriptedFault


def text(
    content: str = "",
    *,
    pieces: Sequence[str] = (),
    reasoning: str = "",
    finish_reason: str = "stop",
    usage: Usage | None = None,
) -> ScriptedAnswer:
    """Answer with text, which ends the run.

    Args:
        content: The whole of it; may be left out with `pieces`.
        pieces: How it is streamed; as one piece by default.
        reasoning: What the model thought before.
        finish_reason: `length` and `content_filter` end the run as incomplete.
        usage: By default a count of the words, at no cost.
    """
    whole = "".join(pieces)
    if content and pieces and content != whole:
        raise ValueError(f"the pieces make {whole!r}, not {content!r}; leave one of them out")
    return ScriptedAnswer(
        text=content or whole,
        finish_reason=finish_reason,
        usage=usage,
        pieces=tuple(pieces),
        reasoning=reasoning,
    )


def call(name: str, /, **arguments: Any) -> ScriptedAnswer:
    """Answer with one tool call."""
    return raw_call(name, to_json(arguments).decode())


def raw_call(name: str, arguments: str) -> ScriptedAnswer:
    """Answer with one tool call whose arguments are this text, as a model may garble them."""
    return ScriptedAnswer(calls=(ScriptedCall(name, arguments),), finish_reason="tool_calls")


def calls(*each: ScriptedAnswer, text: str = "", usage: Usage | None = None) -> ScriptedAnswer:
    """Answer with several tool calls at once, and perhaps with text before them."""
    made = tuple(made for answer in each for made in answer.calls)
    if not made:
        raise ValueError('calls() needs some: calls(call("find_order", order_id="A-1"), …)')
    return ScriptedAnswer(text=text, calls=made, finish_reason="tool_calls", usage=usage)


def fault(
    kind: FaultKind, *, retry_after_s: float | None = None, pieces: Sequence[str] = ()
) -> ScriptedFault:
    """Give no answer. Where trying again may help, the next one in the script is the next try.

    Args:
        kind: What is wrong.
        retry_after_s: What the provider says of it; no test really waits.
        pieces: What was streamed before.
    """
    if kind not in _SYMPTOMS:
        raise ValueError(f"fault {kind!r} is not one of {', '.join(get_args(FaultKind))}")
    known = _SYMPTOMS[kind]
    symptoms = Symptoms(known.text, known.sign, known.status, known.code, retry_after_s)
    return ScriptedFault(kind, symptoms, tuple(pieces))
