"""How a run is ordered, and what its thread says to that."""

from typing import Literal

from pydantic import JsonValue

from outlast.names import RunRef, ThreadRef
from outlast.protocol import (
    ForkedFrom,
    History,
    InputMessage,
    Limits,
    OnBusy,
    Origin,
    Overrides,
    ParentCall,
    ThreadId,
    Time,
    Webhook,
    Wire,
)
from outlast.trace import Trace

MAX_IN_LINE = 1000
"""How many runs may wait for a thread, unless the app is set otherwise."""


class ConversationMark(Wire):
    """Which conversation it is, by what was said: two that have the same mark are the same.

    `digest` is of all messages that a run reads, in their order. A mark says nothing of who said
    it, and to whom. `covers`: how many messages of the thread the first one stands for, if it is a
    summary. `tokens`: about how long it is for a model, if that is known.
    """

    digest: str
    messages: int
    bytes: int
    covers: int | None = None
    tokens: int | None = None

    def names_same(self, other: "ConversationMark") -> bool:
        """Tell whether both are of one conversation, whatever else they say of it."""
        return (self.digest, self.messages, self.bytes) == (
            other.digest,
            other.messages,
            other.bytes,
        )


class Allowance(Wire):
    """What a limited run has left, for all runs that it calls in one turn together.

    `account` names it; what is null is not limited.
    """

    account: str
    tokens: int | None = None
    cost_usd: float | None = None


class RunOrder(Wire):
    """The input of a run's workflow.

    `admission` says how the run comes to hold its thread: `granted` and `queued` were decided by
    `Thread.submit`; a run that is to start later joins the line itself (`join`). `max_in_line`:
    how many runs may wait for the thread already; by default `MAX_IN_LINE`. `conversation`: what
    a run that was granted its thread goes on with, if that is known. `trace` is
    that of the request, if it had one. `parent` is the call that the run answers, and `above`
    all runs above it, the first one first; null if it is nobody's child. `may_open` is how many
    runs may be open below it at once; by default `MAX_OPEN` of `outlast.agent_tool`. `sticky`:
    whether the run begins with the agent to which the thread's runs of its agent were handed over
    last. `allowances` are of those above it that are limited; its model calls are asked for there.
    """

    run_id: str
    tenant: str
    agent: str
    input: list[InputMessage]
    thread_id: ThreadId | None = None
    admission: Literal["none", "granted", "queued", "join"]
    on_busy: OnBusy = "enqueue"
    stream: bool
    context: dict[str, JsonValue]
    metadata: dict[str, str]
    limits: Limits
    after_s: float
    created_at: Time
    body_hash: str
    repeatable: bool
    max_in_line: int | None = None
    trace: Trace | None = None
    history: History | None = None
    after_run: str | None = None
    overrides: Overrides | None = None
    origin: Origin | None = None
    conversation: ConversationMark | None = None
    parent: ParentCall | None = None
    above: list[str] | None = None
    may_open: int | None = None
    webhooks: list[Webhook] | None = None
    sticky: bool | None = None
    forked_from: ForkedFrom | None = None
    allowances: list[Allowance] | None = None

    @property
    def ref(self) -> RunRef:
        """Which run this is."""
        return RunRef(self.tenant, self.run_id)

    @property
    def thread(self) -> ThreadRef | None:
        """The thread that the run is on."""
        return ThreadRef(self.tenant, self.thread_id) if self.thread_id else None


class SubmitAnswer(Wire):
    """`known`: this run was accepted before; `same_body` compares the two requests.

    `granted`: the run holds its thread; `queued`: it waits in line. `run_id` is the run that holds
    the thread (`rejected`) or that took the input (`steered`). `full`: as many wait as may.
    `moved`: another run than `after_run` was the last; `run_id`, if there is one.
    `conversation`: as in `RunOrder`, for a run that joins the line itself.
    """

    outcome: Literal["granted", "queued", "known", "rejected", "steered", "full", "moved"]
    same_body: bool = True
    run_id: str | None = None
    conversation: ConversationMark | None = None


class SameQuestion(Wire):
    body_hash: str
    wait_s: float


class SameAnswer(Wire):
    """`unknown`: the run has not begun."""

    answer: Literal["same", "different", "unknown"]
