"""What a thread has, beside the list of messages that a client keeps of the same conversation.

The thread's own messages count: a client's lack what models said to tools, and may be anybody's.
What users say is known by the ids of their messages; how far both lists are the same conversation
follows from those.
"""

import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from outlast.contract import ThreadHolder
from outlast.errors import InvalidRequest
from outlast.names import RUN_ID, ThreadRef
from outlast.protocol import Content, InputMessage, Message, Run, TextPart
from outlast.protocol.messages import MAX_MESSAGES
from outlast_app.facades.requests import Asked
from outlast_app.facades.starting import Start, as_history

_PAGE = 100
_OF_A_RUN = re.compile(rf"({RUN_ID}):(in\.)?\d+.*")


async def read_back(
    asked: Asked, thread: ThreadRef, ids: Container[str | None] = (), at_most: int | None = None
) -> list[Message]:
    """Return what was said, oldest first: from the last user's message of one of some ids on.

    All of it, if there is no such message.

    Args:
        asked: The request.
        thread: The conversation.
        ids: Of users' messages.
        at_most: How many messages are enough.

    Raises:
        UnknownThread: There is no such conversation.
    """
    said: list[Message] = []
    before: int | None = None
    while True:
        page = await asked.deps.threads.read_newest(thread, before, _PAGE)
        said[:0] = page.items[::-1]
        is_found = any(each.role == "user" and each.id in ids for each in page.items)
        if page.next_cursor is None or is_found or (at_most and len(said) >= at_most):
            return said
        before = int(page.next_cursor)


def place_of(said: Sequence[Message], message_id: str | None) -> int | None:
    """Return where a user's message of this id is, if there is one; the last, of several."""
    for place in range(len(said) - 1, -1, -1):
        if said[place].role == "user" and said[place].id == message_id:
            return place
    return None


def run_saying(message: Message) -> str | None:
    """Return the run that a message comes from; None if somebody has named the message.

    On a thread whose history was replaced, messages belong to the run that did that. What runs
    have said is named after themselves, and keeps its name.
    """
    found = _OF_A_RUN.fullmatch(message.id)
    return found and found[1]


def run_asked(said: Sequence[Message], place: int) -> str:
    """Return the run that a user's message was said to: the one that comes next in the answers."""
    answers = (each for each in said[place + 1 :] if each.role == "assistant")
    answer = next(answers, None)
    return said[place].run_id if answer is None else run_saying(answer) or answer.run_id


def is_last_asked(said: Sequence[Message], place: int) -> bool:
    """Tell whether no user has spoken since; what a run was told beside does not count."""
    return next_asked(said, place) == len(said)


def next_asked(said: Sequence[Message], place: int) -> int:
    """Return where a user speaks next; what a run was told beside does not count."""
    for after in range(place + 1, len(said)):
        if said[after].role == "user" and not _is_beside(said[after]):
            return after
    return len(said)


def with_open(said: Sequence[Message], run: Run) -> Sequence[Message]:
    """Return what a thread has with what was said to the run that goes on there.

    Args:
        said: What the thread has; read after the run, which may have ended meanwhile.
        run: The run.
    """
    if any(message.run_id == run.run_id for message in said):
        return said
    given = [
        message
        for message in run.messages or ()
        if message.role == "user" or run_saying(message) != run.run_id
    ]
    known = {message.id for message in said}
    replaces = any(message.id in known for message in given)
    return given if replaces else [*said, *given]


def is_same(one: Content, other: Content) -> bool:
    """Tell whether contents say the same, in whatever shape: a text is also one in parts."""
    return [*_normal(one)] == [*_normal(other)]


def instead(asked: Asked, wanted: Start, kept: Sequence[Message], holder: ThreadHolder) -> Start:
    """Return a start that goes on after what is kept, in the place of all else on its thread.

    It is refused when a run holds the thread, or was taken by it after `holder` was read, which
    has to be before `kept` was: what somebody says at the same time is never lost.

    Raises:
        InvalidRequest: It is more than a run can be given.
    """
    messages: list[InputMessage] = [*as_history(kept), *wanted.messages]
    size = sum(len(message.model_dump_json().encode()) for message in messages)
    if len(messages) > MAX_MESSAGES or size > asked.deps.settings.max_body_bytes:
        raise InvalidRequest(
            f"{len(kept)} messages come before that, which is more than a run can be given anew. "
            "Go on at the end of the conversation, or in a new one."
        )
    return replace(
        wanted,
        messages=messages,
        history="replace",
        on_busy="reject",
        after_run=holder.last_run,
    )


def _is_beside(message: Message) -> bool:
    found = _OF_A_RUN.fullmatch(message.id)
    return bool(found and found[2])


def _normal(content: Content) -> Iterator[tuple[str, str]]:
    """Yield what a content says: texts that follow one another are one."""
    parts = [TextPart(text=content)] if isinstance(content, str) else content
    for is_text, group in groupby(parts, lambda part: isinstance(part, TextPart)):
        if not is_text:
            yield from ((part.type, part.url) for part in group if not isinstance(part, TextPart))
        elif text := "".join(part.text for part in group if isinstance(part, TextPart)):
            yield "text", text
