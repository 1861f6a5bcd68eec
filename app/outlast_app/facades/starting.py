"""How a request of another protocol becomes a run: as a start of the native interface does.

What goes on with an earlier run makes a thread, and only that (`start_after`): most calls are
single, and need none.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import JsonValue

from outlast.agent import Agent
from outlast.contract import RunOrder
from outlast.errors import ThreadBusy, ThreadExists, ThreadMoved, UnknownThread
from outlast.names import RunRef, ThreadRef, derived_run_id, new_run_id
from outlast.protocol import (
    NO_RUN,
    CreateThread,
    History,
    InputMessage,
    Limits,
    Message,
    OnBusy,
    Origin,
    Overrides,
    Run,
    StartRun,
)
from outlast_app.bodies import made
from outlast_app.facades.ids import lazy_thread_id
from outlast_app.facades.requests import Asked
from outlast_app.runs.orders import make_order

_PAGE = 100


@dataclass(frozen=True)
class Start:
    """What is to be started, in no protocol's words.

    Attributes:
        protocol: Which protocol asks: `openai`, `ag-ui`, …
        request: What its client sent, as far as it is to be shown again; kept as `origin`.
        overrides: What the run is to have otherwise. `options` are left out where the agent does
            not allow them, since clients send those without thinking; all else is refused then.
        key: Makes the request safe to repeat: any text, by default its `Idempotency-Key`.
        stream: Whether the model is streamed.
    """

    agent: Agent
    messages: Sequence[InputMessage]
    protocol: str
    request: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    overrides: Overrides = field(default_factory=Overrides)
    thread_id: str | None = None
    on_busy: OnBusy | None = None
    history: History | None = None
    after_run: str | None = None
    context: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    limits: Limits = field(default_factory=Limits)
    key: str | None = None
    stream: bool = True

    def body(self) -> StartRun:
        """Return it as the native interface takes it.

        Raises:
            InvalidRequest: It is not what it has to be.
        """
        asked = dict(self.overrides)
        if "options" not in self.agent.overrides:
            asked.pop("options", None)
        given: dict[str, Any] = {
            **{name: value for name, value in asked.items() if value is not None},
            "input": list(self.messages),
            "thread_id": self.thread_id,
            "on_busy": self.on_busy,
            "history": self.history,
            "after_run": self.after_run,
            "context": self.context,
            "metadata": self.metadata,
            "limits": self.limits,
            "origin": Origin(protocol=self.protocol, request=self.request),
        }
        return made(StartRun, given)


async def start(asked: Asked, wanted: Start) -> Run:
    """Start a run, or find the one that the same request has started; wait for nothing.

    Returns:
        The run, as it is known when Restate has it: mostly not begun.

    Raises:
        CallerProblem: It can't be started so; see `RunStarter.start`.
        OperatorProblem: Something that is needed is away. Where Restate may have accepted the run
            nevertheless, the problem names it (`run_id`).
    """
    asked.deps.quotas.count_start(asked.caller)
    return await _start(asked, wanted)


async def _start(asked: Asked, wanted: Start) -> Run:
    order = await asked.beside_loop(_order, asked, wanted)
    return await asked.deps.starter.start(order, 0)


async def read_started(asked: Asked, agent: Agent, key: str, *, messages: bool = True) -> Run:
    """Return the run that was started under a key with another body: by another try.

    Raises:
        UnknownRun: There is none, or it is no longer kept.
    """
    run_id = derived_run_id(agent.name, asked.tenant, key)
    return await asked.deps.reader.read(RunRef(asked.tenant, run_id), messages=messages)


def _order(asked: Asked, wanted: Start) -> RunOrder:
    return make_order(
        asked.deps.registry,
        wanted.agent,
        wanted.body(),
        asked.tenant,
        wanted.key or asked.idempotency_key,
        stream=wanted.stream,
        trace=asked.trace,
    )


async def start_after(asked: Asked, wanted: Start, before: RunRef) -> Run:
    """Start a run that goes on with what was said up to the end of another one.

    The common chain is one thread, and linear. Whoever goes on with a run that somebody has gone on
    with already gets a conversation of their own, from there.

    Raises:
        KeyLimit: The caller has started as many as it may.
        ThreadBusy: That run, which is on no thread, goes on for longer than one waits.
        UnknownRun: There is no such run.
        InvalidRequest: The conversation is too long to be copied.
    """
    asked.deps.quotas.count_start(asked.caller)
    run = await _known(asked, before)
    thread_id = run.thread_id or lazy_thread_id(before.run_id)
    try:
        if run.thread_id:
            on_thread = replace(wanted, thread_id=thread_id, after_run=before.run_id)
            return await _start(asked, on_thread)
        return await _start_with(asked, wanted, thread_id, run.messages or [])
    except ThreadMoved:
        said = run.messages or []
        if run.thread_id:
            said = await _said_up_to(asked, ThreadRef(asked.tenant, thread_id), before)
        return await _start_with(asked, wanted, _own_thread(asked, wanted), said)


async def _known(asked: Asked, ref: RunRef) -> Run:
    """Return a run to go on with: on a thread as it is, else when it has ended."""
    run = await asked.deps.reader.read(ref)
    if run.thread_id or run.ended:
        return run
    wait_s = asked.deps.settings.protocol_wait_s
    run = await asked.deps.starter.await_end(ref, run, wait_s, in_line=False)
    if not run.ended:
        raise ThreadBusy(f"The run {ref.run_id} goes on. Wait for its end, or cancel it, first.")
    return run


async def _start_with(asked: Asked, wanted: Start, thread_id: str, said: Sequence[Message]) -> Run:
    """Start a run on a thread of its own, which is forgotten when its runs are."""
    with suppress(ThreadExists):
        kept_s = asked.deps.settings.run_retention_s
        body = CreateThread(thread_id=thread_id, expires_after_s=kept_s)
        await asked.deps.thread_life.create(asked.tenant, body, None)
    before = as_history(said)
    seeded = replace(
        wanted,
        thread_id=thread_id,
        after_run=NO_RUN,
        messages=[*before, *wanted.messages],
        request={**wanted.request, SEEDED: len(before)},
    )
    return await _start(asked, seeded)


SEEDED = "seeded"
"""In an origin's request: how many of the run's messages come from the run before."""


async def _said_up_to(asked: Asked, thread: ThreadRef, ref: RunRef) -> list[Message]:
    """Return what a thread had when a run had ended."""
    said: list[Message] = []
    last = 0
    cursor: int | None = 0
    while cursor is not None:
        page = await asked.deps.threads.read_history(thread, cursor, _PAGE)
        for message in page.items:
            said.append(message)
            if message.run_id == ref.run_id:
                last = len(said)
        cursor = int(page.next_cursor) if page.next_cursor else None
    if not last:
        raise UnknownThread(
            f"The thread {thread.thread_id!r} no longer has what the run {ref.run_id} said. Send "
            "the conversation itself."
        )
    return said[:last]


def as_history(said: Sequence[Message]) -> list[InputMessage]:
    """Return what was said as another run takes it: without what no model's provider would take.

    Ids name messages within their runs: of several messages with one, the last keeps it.
    """
    last = {message.id: place for place, message in enumerate(said)}
    return [
        InputMessage(
            id=message.id if last[message.id] == place else None,
            role=message.role,
            content=message.content,
            tool_calls=message.tool_calls,
            call_id=message.call_id,
            is_error=message.is_error,
        )
        for place, message in enumerate(said)
        if not message.refused and (message.content or message.tool_calls or message.call_id)
    ]


def _own_thread(asked: Asked, wanted: Start) -> str:
    """Name a thread after the run that is to be the first on it; the same for the same request."""
    key = wanted.key or asked.idempotency_key
    agent = wanted.agent.name
    return lazy_thread_id(derived_run_id(agent, asked.tenant, key) if key else new_run_id(agent))
