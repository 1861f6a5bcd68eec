"""What a client's list of messages is beside what the thread has: what is new, what was edited.

The thread's own history counts, since the client's lacks what models said to tools, and may be
anybody's. The client's user messages say how far it is still the same conversation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from outlast.errors import ThreadBusy, UnknownThread
from outlast.names import ThreadRef
from outlast.protocol import History, InputMessage, Message
from outlast_app.facades.ai_sdk.messages import UiMessage, UiRequest, input_of, inputs_of
from outlast_app.facades.requests import Asked
from outlast_app.facades.starting import as_history

_PAGE = 100


@dataclass(frozen=True)
class Continuation:
    """What a run is to begin with.

    Attributes:
        messages: Its input.
        history: Whether that takes the place of what the thread has.
        after: The last message that the thread has: the same request is the same run as long as
            this is.
    """

    messages: Sequence[InputMessage]
    history: History | None
    after: str


async def compare(asked: Asked, thread: ThreadRef, body: UiRequest) -> Continuation:
    """Find out what is new.

    Raises:
        ThreadBusy: It was edited, or asked for anew, while a run goes on.
        InvalidRequest: There is nothing to begin with.
    """
    said = body.conversation()
    try:
        known = await asked.deps.threads.read(thread)
        newest = (await asked.deps.threads.read_newest(thread, None, _PAGE)).items
    except UnknownThread:
        return Continuation(list(inputs_of(said)), None, "")
    after = f"{newest[0].run_id} {newest[0].id}" if newest else ""
    new = _after_last_answer(said)
    is_new = body.trigger == "submit-message" and _is_new(new, newest)
    if is_new and (known.status == "busy" or _follows(body, said[: len(said) - len(new)], newest)):
        return Continuation([input_of(message) for message in new], None, after)
    if known.status == "busy":
        raise ThreadBusy(
            f"The run {known.run_id} goes on in this chat. Stop it, or wait for its end, before "
            "you edit what was said, or ask for another answer."
        )
    had = await _whole(asked, thread)
    kept, rest = split(had, said, is_new=is_new)
    if len(kept) == len(had):
        return Continuation(list(inputs_of(rest)), None, after)
    return Continuation([*as_history(kept), *inputs_of(rest)], "replace", after)


def _after_last_answer(said: Sequence[UiMessage]) -> Sequence[UiMessage]:
    start = len(said)
    while start and said[start - 1].role == "user":
        start -= 1
    return said[start:]


def _is_new(new: Sequence[UiMessage], newest: Sequence[Message]) -> bool:
    had = {message.id for message in newest}
    return bool(new) and not any(input_of(message).id in had for message in new)


def _follows(body: UiRequest, before: Sequence[UiMessage], newest: Sequence[Message]) -> bool:
    """Tell whether the client's list ends in the thread, though others may have gone on there."""
    asked = [input_of(message).id for message in before if message.role == "user"]
    return not body.is_whole or not asked or asked[-1] in {message.id for message in newest}


def split(
    had: Sequence[Message], said: Sequence[UiMessage], *, is_new: bool
) -> tuple[Sequence[Message], Sequence[UiMessage]]:
    """Split both where the user begins to say something else, or wants another answer."""
    ours = [index for index, message in enumerate(had) if message.role == "user"]
    theirs = [index for index, message in enumerate(said) if message.role == "user"]
    for mine, other in zip(ours, theirs, strict=False):
        given = input_of(said[other])
        asks_anew = not is_new and other == theirs[-1]
        if asks_anew or (had[mine].id, had[mine].content) != (given.id, given.content):
            return had[:mine], said[other:]
    return had, said[theirs[min(len(ours), len(theirs) - 1)] :] if theirs else ()


async def _whole(asked: Asked, thread: ThreadRef) -> list[Message]:
    messages: list[Message] = []
    cursor: int | None = 0
    while cursor is not None:
        page = await asked.deps.threads.read_history(thread, cursor, _PAGE)
        messages += page.items
        cursor = int(page.next_cursor) if page.next_cursor else None
    return messages
