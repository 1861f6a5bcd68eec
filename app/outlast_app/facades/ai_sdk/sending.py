"""What a user's message comes to: a new run, the one that it was said to already, or another try.

A message is known by its id. The same one again, as after a connection that broke, is its run's;
what was edited, or is to be answered anew, takes the place of what the thread has from there on.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from hashlib import sha256

from pydantic_core import to_json

from outlast.agent import Agent
from outlast.contract import ThreadHolder
from outlast.errors import (
    IdempotencyConflict,
    InvalidRequest,
    ThreadBusy,
    ThreadMoved,
    UnknownRun,
)
from outlast.names import RunRef, ThreadRef, derived_run_id
from outlast.protocol import InputMessage, Message, Overrides, Run
from outlast_app.auth import check_right
from outlast_app.facades.ai_sdk.messages import UiMessage, UiRequest, input_of, inputs_of
from outlast_app.facades.ai_sdk.told import Told
from outlast_app.facades.conversations import (
    instead,
    is_last_asked,
    is_same,
    place_of,
    read_back,
    run_asked,
)
from outlast_app.facades.ids import message_id_of, thread_id_of
from outlast_app.facades.requests import Asked
from outlast_app.facades.starting import Start, read_started, start

PROTOCOL = "ai-sdk"
_TO_BE_TRIED_AGAIN = frozenset({"failed", "cancelled"})


@dataclass(frozen=True)
class _Sent:
    """A request, whose last message is a user's."""

    asked: Asked
    agent: Agent
    body: UiRequest
    thread: ThreadRef
    said: Sequence[UiMessage]
    new: InputMessage
    """The last message."""

    @property
    def is_changed(self) -> bool:
        """Whether the client says that the message is not a new one."""
        return self.body.asks_anew or self.body.message_id == self.said[-1].id

    @property
    def run_named(self) -> str | None:
        """The run that the request names with a key of the client's own, if it does."""
        key = self.asked.idempotency_key
        return derived_run_id(self.agent.name, self.asked.tenant, key) if key else None

    def start(self, messages: Sequence[InputMessage]) -> Start:
        """Return what starts a run on the chat's thread."""
        return Start(
            agent=self.agent,
            messages=messages,
            protocol=PROTOCOL,
            overrides=Overrides(instructions=self.body.instructions()),
            thread_id=self.thread.thread_id,
            context=self.body.context or {},
            metadata=self.body.metadata or {},
        )

    def key(self, *rest: str | None) -> str | None:
        """Name what is said: by its id, and what it says; None for what has no id."""
        if self.new.id is None or self.asked.idempotency_key:
            return None
        parts = [self.body.id, self.new.model_dump(), *rest]
        return f"{PROTOCOL} {sha256(to_json(parts)).hexdigest()}"


async def begin(asked: Asked, agent: Agent, body: UiRequest, holder: ThreadHolder | None) -> Told:
    """Start a run, or find the one that was started.

    Args:
        asked: The request.
        agent: Who is spoken to.
        body: What it says.
        holder: Who holds the chat's thread; None if there is no such thread.

    Raises:
        InvalidRequest: There is nothing to begin with.
        ThreadBusy: A message was edited, or is to be answered anew, while a run goes on.
        ThreadMoved: Somebody else has said something meanwhile.
    """
    said = body.conversation()
    if said[-1].role != "user":
        raise InvalidRequest.at((body.path_of(said[-1]), "the last message has to be a user's"))
    thread = ThreadRef(asked.tenant, thread_id_of(body.id))
    sent = _Sent(asked, agent, body, thread, said, input_of(said[-1], body.path_of(said[-1])))
    with _renaming():
        return await _begin(sent, holder)


async def _begin(sent: _Sent, holder: ThreadHolder | None) -> Told:
    first_key = None if sent.body.asks_anew else sent.key()
    if holder is None:
        _check_known(sent)
        return await _start(sent, sent.start([*inputs_of(sent.body, sent.said)]), first_key)
    if holder.run_id and (told := await _join(sent, holder.run_id)):
        return told
    ids = {message_id_of(each.id) for each in sent.said if each.role == "user"} - {None}
    had = await read_back(sent.asked, sent.thread, ids)
    place = place_of(had, sent.new.id)
    if place is None:
        _check_known(sent)
        return await _start(sent, sent.start(_new_in(sent, had)), first_key)
    is_repeated = not sent.body.asks_anew or run_asked(had, place) == sent.run_named
    is_repeated = is_repeated and is_same(had[place].content, sent.new.content)
    if is_repeated and (told := await _tell_again(sent, had, place)):
        return told
    return await _replace(sent, holder)


def _check_known(sent: _Sent) -> None:
    """Refuse to change a message that the thread lacks, if nothing else is known of it."""
    message = sent.said[-1]
    if sent.is_changed and not (sent.body.is_whole and message.id):
        wrong = f"the chat has no message {message.id!r} that could be changed or answered anew"
        raise InvalidRequest.at((f"{sent.body.path_of(message)}.id", wrong))


def _new_in(sent: _Sent, had: Sequence[Message]) -> list[InputMessage]:
    """Return what the user has said since the last answer, and the thread lacks."""
    known = {message.id for message in had}
    new = [sent.new]
    for message in sent.said[-2::-1]:
        if message.role != "user":
            break
        given = input_of(message, sent.body.path_of(message))
        if given.id in known:
            break
        new.insert(0, given)
    return new


async def _join(sent: _Sent, run_id: str) -> Told | None:
    """Tell the run that holds the chat, if that is the message's; else None.

    Raises:
        ThreadBusy: The message was said to it, and is another one now.
    """
    ref = RunRef(sent.asked.tenant, run_id)
    try:
        run = await sent.asked.deps.reader.read(ref)
    except UnknownRun:
        return None
    messages = run.messages or []
    place = place_of(messages, sent.new.id)
    if run.ended or place is None or not is_last_asked(messages, place):
        return None
    is_another = ref.agent != sent.agent.name or (sent.body.asks_anew and run_id != sent.run_named)
    if is_another or not is_same(messages[place].content, sent.new.content):
        raise ThreadBusy(_BUSY.format(run_id), extra={"run_id": run_id})
    check_right(sent.asked.caller, "read")
    return Told.whole(run)


async def _tell_again(sent: _Sent, had: Sequence[Message], place: int) -> Told | None:
    """Tell the run that a message was said to; None if it is to be tried again.

    Raises:
        ThreadMoved: It would have to be tried in the place of what was said since.
    """
    ref, run = RunRef(sent.asked.tenant, run_asked(had, place)), None
    if ref.agent == sent.agent.name:
        with suppress(UnknownRun):
            run = await sent.asked.deps.reader.read(ref, messages=False)
    is_last = is_last_asked(had, place)
    is_tried_again = is_last and sent.run_named is None
    if run and not (is_tried_again and run.status in _TO_BE_TRIED_AGAIN):
        check_right(sent.asked.caller, "read")
        return Told.whole(run)
    if not is_last:
        raise ThreadMoved(_MOVED)
    return None


async def _replace(sent: _Sent, holder: ThreadHolder) -> Told:
    """Answer a message in the place of what the thread has from there on."""
    had = await read_back(sent.asked, sent.thread)
    place = place_of(had, sent.new.id)
    if place is None:
        raise ThreadMoved(_MOVED)
    wanted = instead(sent.asked, sent.start([sent.new]), had[:place], holder)
    last = holder.last_run or f"{had[-1].run_id} {had[-1].id}"  # of an older worker
    try:
        return await _start(sent, wanted, sent.key("instead", last))
    except ThreadBusy as problem:
        run_id = problem.extra["run_id"]
        if told := await _join(sent, run_id):  # the same, sent at once
            return told
        problem.detail = _BUSY.format(run_id)
        raise
    except ThreadMoved as problem:
        problem.detail = _MOVED
        raise


async def _start(sent: _Sent, wanted: Start, key: str | None) -> Told:
    """Start a run, or find the one that the same message has started, unless that has failed."""
    while True:
        run = await _start_or_find(sent, replace(wanted, key=key))
        if key is None or run.status not in _TO_BE_TRIED_AGAIN:
            return Told.whole(run)
        key = f"{key} {run.run_id}"


async def _start_or_find(sent: _Sent, wanted: Start) -> Run:
    try:
        return await start(sent.asked, wanted)
    except IdempotencyConflict:
        if wanted.key is None:  # the client's own key, for something else
            raise
    # The same message in another context, say: it was said once.
    check_right(sent.asked.caller, "read")
    return await read_started(sent.asked, sent.agent, wanted.key, messages=False)


@contextmanager
def _renaming() -> Generator[None]:
    """Name what a native start calls its input as the client does, in a problem with it."""
    try:
        yield
    except InvalidRequest as problem:
        for fault in problem.extra.get("errors", ()):
            fault["field"] = fault["field"].replace("body.input", "body.messages", 1)
        problem.detail = problem.detail.replace("body.input", "body.messages", 1)
        raise


_BUSY = (
    "The run {} goes on in this chat. Stop it, or wait for its end, before you edit what was said, "
    "or ask for another answer."
)
_MOVED = (
    "Somebody has said something else in this chat since. Load it anew before you edit what was "
    "said, or ask for another answer."
)
