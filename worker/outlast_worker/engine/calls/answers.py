"""What MCP servers ask people in the middle of a call: each question is an approval to answer."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Literal

from outlast.protocol import Approval, Resolution
from outlast_worker.engine.calls.turn import Turn
from outlast_worker.engine.planned_calls import Answered, GivenAnswer, PlannedCall
from outlast_worker.engine.records import PinnedTool, ServerAsks, ServerQuestion, ToolRecord

MAX_QUESTIONS = 50
"""Of one call, all in all: a server may ask again whenever nobody answers in time."""
_ASKED_TOO_OFTEN = (
    "The server of {name} asked people more than {most} times, so this call was given up. It may "
    "have run, in whole or in part."
)
_TOLD: dict[str, Literal["accept", "decline"]] = {"answer": "accept", "decline": "decline"}


def ask_people(
    turn: Turn,
    tool: PinnedTool,
    call: PlannedCall,
    asks: ServerAsks,
    go_on: Callable[[PlannedCall], None],
) -> None:
    """Have people answer what a server asks, side by side; then go on with the call."""
    before = call.answered.answers
    if len(before) + len(asks.questions) > MAX_QUESTIONS:
        text = _ASKED_TOO_OFTEN.format(name=call.name, most=MAX_QUESTIONS)
        turn.complete(call, ToolRecord.failed(text, "limit", turn.state.now))
        return
    answers: dict[int, GivenAnswer] = {}

    def take(place: int, question: ServerQuestion, resolution: Resolution) -> None:
        answers[place] = _answer(question, resolution)
        if len(answers) == len(asks.questions):
            given = tuple(answers[place] for place in sorted(answers))
            go_on(replace(call, answered=Answered((*before, *given), asks)))

    for place, question in enumerate(asks.questions):
        approval = Approval(
            call_id=call.call_id,
            approval_id=f"{call.call_id}.input{len(before) + place + 1}",
            name=call.name,
            arguments=dict(call.arguments),
            reason="input",
            question=question.message,
            content_schema=question.content_schema,
            url=question.url,
            requested_at=turn.state.now,
        )
        turn.approvals.request(approval, tool.approval_timeout, partial(take, place, question))


def begin_anew(call: PlannedCall) -> PlannedCall:
    """Return a call that is begun once more, with what was answered before."""
    return replace(call, answered=replace(call.answered, asks=None))


def _answer(question: ServerQuestion, resolution: Resolution) -> GivenAnswer:
    """Return what the server is told: where nobody answered in time, that nobody chose."""
    content = resolution.content if isinstance(resolution.content, dict) else None
    return GivenAnswer(question, _TOLD.get(resolution.action, "cancel"), content)
