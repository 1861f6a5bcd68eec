"""Events and messages as lines that stay."""

import json
import re
from collections.abc import Iterator, Sequence

from rich.text import Text

from outlast.events import (
    AnyEvent,
    AnyLiveEvent,
    ApprovalRequested,
    ApprovalResolved,
    ChildStarted,
    Compacted,
    Event,
    HandedOver,
    MessageCompleted,
    ModelFallback,
    OutputRejected,
    SteerReceived,
    TerminalEvent,
    ToolCallCompleted,
    ToolCallRequested,
    ToolCallStarted,
)
from outlast.names import RUN_ID
from outlast.protocol import Message, Run, Usage
from outlast_cli.fold import text_of
from outlast_cli.output import as_text, printable, shortened, whole
from outlast_cli.stream import Received

_RUN_ID = re.compile(RUN_ID)
_COLORS = {"completed": "green", "failed": "red", "cancelled": "yellow", "incomplete": "yellow"}
_DONE = {
    "approve": "approved",
    "reject": "rejected",
    "complete": "completed",
    "retry": "tried again",
    "give_up": "given up",
    "raise": "raised",
    "stop": "stopped",
    "answer": "answered",
    "decline": "declined",
}
_WAITS = {
    "approval": "waits for approval",
    "in_doubt": "may or may not have run: waits for a decision",
    "limit": "is reached: waits for a decision",
    "input": "asks for something",
}


def line_of(event: AnyEvent | AnyLiveEvent) -> Text | None:
    """Return the line that stays of an event, if it leaves one."""
    match event:
        case ToolCallStarted(call_id=call, name=name):
            return Text(f"→ {call} {name} {shortened(as_text(event.arguments))}", "cyan")
        case ToolCallRequested(call_id=call, name=name):
            asked = f"? {call} {name} {as_text(event.arguments)} waits for a client's result"
            return Text(printable(asked), "yellow")
        case ChildStarted(call_id=call, agent=agent):
            return whole(f"↓ {call} {agent} is run {event.child_run_id}", "dim")
        case HandedOver(call_id=call, from_=before, to=to):
            return Text(printable(f"⇒ {call} {before} hands over to {to}"), "magenta")
        case ToolCallCompleted(call_id=call, name=name):
            took = f"{event.duration_ms / 1000:.1f} s"
            color = "red" if event.is_error else "dim"
            return Text(f"← {call} {name}, {took}: {shortened(event.output)}", color)
        case ApprovalRequested(name=name):
            asked_id = event.approval_id or event.call_id
            waits = event.question or _WAITS.get(event.reason, event.reason)
            asked = f"? {asked_id} {name} {as_text(event.arguments)} {waits} {event.url or ''}"
            return Text(printable(asked.rstrip()), "yellow")
        case ApprovalResolved():
            return Text(_resolution(event), "yellow")
        case SteerReceived():
            return Text(f"» {printable(text_of(event.message.content))}", "cyan")
        case _:
            return summary(event.run) if isinstance(event, TerminalEvent) else _of_model(event)


def _of_model(event: AnyEvent | AnyLiveEvent) -> Text | None:
    match event:
        case MessageCompleted() if said := text_of(event.message.content):
            return Text(printable(said))
        case ModelFallback(model=model, instead_of=before, error=error):
            return Text(printable(f"! {before}: {error.type}; {model} is asked"), "yellow")
        case Compacted(messages=messages, tokens_before=before, tokens_after=now):
            made = "left out" if event.how == "window" else "summed up"
            return Text(f"≡ {messages} messages {made}: {before} to {now} tokens", "dim")
        case OutputRejected():
            return Text(printable(f"× not what it has to be: {'; '.join(event.faults)}"), "yellow")
        case _:
            return None


def dated_line_of(received: Received) -> Text:
    """Return an event with its number and its time; of a newer kind what it is called."""
    event = received.event
    if not isinstance(event, Event):
        return Text(f"{received.seq or '':>4}  {json.loads(received.data)['type']}", "dim")
    at = event.at.astimezone().strftime("%Y-%m-%d %H:%M:%S") if event.at else ""
    line = line_of(event) or Text(event.type, "dim")
    return Text.assemble((f"{event.seq:>4}  {at:<19}  ", "dim"), line)


def lines_of(messages: Sequence[Message]) -> Iterator[Text]:
    """Yield what was said in a conversation; calls and results are shortened."""
    run_id = ""
    names: dict[str, str] = {}
    for message in messages:
        if message.run_id != run_id:
            run_id, names = message.run_id, {}
            at = message.created_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
            said_in = f"run {run_id}" if _RUN_ID.fullmatch(run_id) else "added by a client"
            yield whole(f"{at} · {said_in}", "dim")
        text = text_of(message.content)
        match message.role:
            case "user":
                yield Text(f"> {printable(text)}", "cyan")
            case "tool":
                call = message.call_id or ""
                color = "red" if message.is_error else "dim"
                yield Text(f"← {call} {names.get(call, '')}: {shortened(text)}", color)
            case "assistant":
                if text:
                    yield Text(printable(text))
        for call in message.tool_calls or ():
            names[call.call_id] = call.name
            shown = shortened(as_text(call.arguments))
            yield Text(f"→ {call.call_id} {call.name} {shown}", "cyan")


def summary(run: Run) -> Text:
    """Return how a run stands, why, and what it used."""
    why = run.incomplete_reason or (run.error and f"{run.error.type}: {run.error.message}")
    status = f"{run.status}, {run.waiting_for}" if run.waiting_for else run.status
    said = f"{status}: {printable(why)}" if why else status
    return Text.assemble((said, _COLORS.get(run.status, "")), (f" · {_usage(run.usage)}", "dim"))


def _usage(usage: Usage) -> str:
    cost = "cost unknown" if usage.cost_usd is None else f"${usage.cost_usd:.4f}"
    return (
        f"{_count(usage.model_calls, 'model call')}, {_count(usage.tool_calls, 'tool call')} · "
        f"{usage.input_tokens} tokens in, {usage.output_tokens} out · {cost}"
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _resolution(event: ApprovalResolved) -> str:
    done = _DONE.get(event.action, event.action)
    by = f" by {event.by}" if event.by else ""
    changed = f" with {as_text(event.arguments)}" if event.arguments is not None else ""
    if isinstance(event.content, dict) and event.content:
        changed = f" with {as_text(event.content)}"
    reason = f": {event.reason}" if event.reason else ""
    decided_id = event.approval_id or event.call_id
    return printable(f"! {decided_id} {done}{by}{changed}{reason}")
