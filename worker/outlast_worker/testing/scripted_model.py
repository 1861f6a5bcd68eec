"""A model that follows a script, in the place where a provider would be asked."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from outlast.protocol import Message, ModelSettings, Usage
from outlast_worker.engine.operations import ModelCall
from outlast_worker.models.answers import Answer, AnsweredCall
from outlast_worker.models.faults import CallFailed
from outlast_worker.models.hearing import HeardAnswer, Hearing
from outlast_worker.models.keys import Access
from outlast_worker.testing.script import Scripted, ScriptedAnswer, ScriptedFault


class ScriptError(AssertionError):
    """Script and run don't fit together."""


@dataclass(frozen=True)
class ModelRequest:
    """What the model was asked.

    Attributes:
        attempt: Counts the tries of a turn, anew for each model.
        settings: How it is asked: the agent's, with those of the run.
        sums_up: Whether it is to sum up what was said, since that has grown too long.
    """

    turn: int
    attempt: int
    model: str
    instructions: str
    messages: Sequence[Message]
    tools: Sequence[str]
    settings: ModelSettings
    output_schema: Mapping[str, Any] | None = None
    sums_up: bool = False

    @property
    def last(self) -> str:
        """The text of the last message."""
        content = self.messages[-1].content
        if isinstance(content, str):
            return content
        return "".join(part.text for part in content if part.type == "text")


Script = Sequence[Scripted] | Callable[[ModelRequest], Scripted]
"""Answers in order; or a function that answers what was asked."""


@dataclass
class ScriptedApi:
    """The `ProviderApi` of a script; `where` the test has it, for messages."""

    script: Script
    where: str = "model=[…]"
    requests: list[ModelRequest] = field(default_factory=list[ModelRequest])

    @property
    def spare(self) -> str | None:
        """What nobody asked for, and what to do."""
        if callable(self.script) or len(self.requests) >= len(self.script):
            return None
        left = self.script[len(self.requests) :]
        return (
            f"of `{self.where}` {len(left)} of {len(self.script)} were not asked for: "
            f"{', '.join(str(each) for each in left)}. Take them out, or see why it ended before."
        )

    def serves(self, model: str, options: Iterable[str]) -> bool:  # noqa: ARG002  # any
        """Serve all models."""
        return True

    def knows(self, provider: str) -> bool:  # noqa: ARG002  # any
        """Know all providers."""
        return True

    async def tells_cost(self, model: str) -> bool:  # noqa: ARG002  # any
        """Say in each answer what it costs."""
        return True

    async def load(self) -> None:
        """Have nothing to get ready."""

    async def close(self) -> None:
        """Have nothing to close."""

    async def ask(self, call: ModelCall, access: Access, hearing: Hearing) -> Answer:  # noqa: ARG002  # there are no keys
        """Answer with what comes next.

        Raises:
            CallFailed: By the script.
            ScriptError: The script has come to its end.
        """
        request = _request(call)
        scripted = self.answer(request)
        _show(scripted, hearing.begin())
        if isinstance(scripted, ScriptedFault):
            raise CallFailed(scripted.symptoms)
        return _answer(scripted, request)

    def answer(self, request: ModelRequest) -> Scripted:
        """Return what comes next.

        Raises:
            ScriptError: The script has come to its end.
        """
        scripted = self._next(request)
        self.requests.append(request)
        return scripted

    def _next(self, request: ModelRequest) -> Scripted:
        if callable(self.script):
            return self.script(request)
        if len(self.requests) < len(self.script):
            return self.script[len(self.requests)]
        raise ScriptError(
            f"The model is asked in turn {request.turn}, and the script has no answer left: "
            f"all {len(self.script)} were given. Add what it does next to `{self.where}`: "
            'text("…") ends the run, call("tool", …) asks for a tool.'
        )


def _request(call: ModelCall) -> ModelRequest:
    return ModelRequest(
        turn=call.turn,
        attempt=call.attempt,
        model=call.model,
        instructions=call.pin.instructions,
        messages=[message.as_read() for message in call.messages],
        tools=[tool.name for tool in call.pin.tools],
        settings=call.settings,
        output_schema=call.pin.output and call.pin.output.shape,
        sums_up=call.sums_up,
    )


def _show(scripted: Scripted, preview: HeardAnswer) -> None:
    pieces = scripted.pieces
    if isinstance(scripted, ScriptedAnswer):
        if scripted.reasoning:
            preview.add("reasoning", scripted.reasoning)
        if scripted.text and not pieces:
            pieces = (scripted.text,)
    for piece in pieces:
        preview.add("text", piece)
    preview.end()


def _answer(scripted: ScriptedAnswer, request: ModelRequest) -> Answer:
    counted = Usage(
        input_tokens=sum(len(str(message.content).split()) for message in request.messages),
        output_tokens=len(scripted.text.split()),
        cost_usd=0.0,
    )
    usage = (scripted.usage or counted).model_copy(update={"model_calls": 1})
    return Answer(
        text=scripted.text,
        calls=[AnsweredCall(call.name, call.arguments) for call in scripted.calls],
        finish_reason=scripted.finish_reason,
        model=request.model,
        usage=usage,
    )
