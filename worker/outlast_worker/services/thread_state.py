"""What a thread holds, and how it changes: pure, so that it can be read and tested alone."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, TypeVar

from pydantic import ConfigDict, Field

from outlast.compaction import Compaction
from outlast.contract import MAX_IN_LINE, ConversationMark
from outlast.protocol import Time
from outlast_worker.engine.prompt_size import estimate_tokens
from outlast_worker.engine.records import Record, StandIn, StoredMessage
from outlast_worker.engine.speakers import speakers_in
from outlast_worker.services.serde import serde_of

PAGE_BYTES = 64 * 1024
_REMEMBERED = 100
# A run reads the conversation as one journal entry. Restate replays an invocation within 32 MiB
# of memory: one that has a request of 8 MiB twice (input and state) and more than 16 MiB in one
# entry stands still for ever.
MAX_BYTES = 12 * 1024 * 1024
NOTHING_SAID = ConversationMark(digest="", messages=0, bytes=0)


class ThreadRun(Record):
    """A run that holds the thread, or waits in line for it."""

    run_id: str
    agent: str
    tenant: str
    invocation_id: str
    body_hash: str
    interrupts: bool = False
    replaces: bool | None = None
    """Whether what it says takes the place of what was said before."""


class SteeredRequest(Record):
    """A request whose input went to the run that held the thread."""

    request_id: str
    run_id: str
    body_hash: str


class Addition(Record):
    """A request whose messages were added to the conversation."""

    added_as: str
    body_hash: str
    message_ids: list[str]


R = TypeVar("R", SteeredRequest, Addition)


def remember(earlier: Sequence[R], request: R) -> list[R]:
    """Keep, for a while, what became of a request: it may be repeated."""
    return [*earlier, request][-_REMEMBERED:]


class SummaryPlace(Record):
    """Up to where a summary stands for what was said. The summary itself has a key of its own.

    `covers`: how many messages, from the first; `covered_bytes`: how large those are; `bytes`: how
    large the summary is.
    """

    covers: int
    covered_bytes: int
    bytes: int
    how: Compaction
    run_id: str
    at: Time


class Head(Record):
    """The one key that counts: the holder, which places in line, and which pages there are.

    Numbers in line are `first` to before `after_last`, with gaps; `waiting` of them are taken.
    What a newer worker has put in is kept: so a field that says something of the messages has to
    say of which.
    """

    model_config = ConfigDict(extra="allow")

    holder: ThreadRun | None = None
    queue: list[ThreadRun] = Field(default_factory=list[ThreadRun])
    """The line as older workers left it (`thread_line.read_head`). Written empty: older apps ask
    for it."""
    first: int = 0
    after_last: int = 0
    waiting: int = 0
    page_counts: list[int] = Field(default_factory=list[int])
    last_page_bytes: int = 0
    total_bytes: int = 0
    digest: str | None = None
    """Of what a run reads: the last summary, and all messages that it does not cover; null where
    it was not kept (`thread_history.know_digest`)."""
    summaries: list[SummaryPlace] | None = None
    """The earlier ones count again when later ones go, with messages that are taken back."""
    tokens: int | None = None
    """About how long what a run reads is for models; null if that is not known."""
    speakers: dict[str, str] | None = None
    """Who took over in the conversation last, by the agent that was asked; null if nobody did."""
    last_run: str | None = None
    """The run that was taken last; null if there was none, or an older worker has not kept it."""
    expires_after_s: float | None = None
    """How long after its last change the thread is forgotten; null for one that stays."""
    expiry_due: Time | None = None
    """For when it was told last to be looked at: another look counts no longer."""
    created_at: Time
    updated_at: Time

    @property
    def message_count(self) -> int:
        """How many messages the conversation has."""
        return sum(self.page_counts)

    @property
    def summary(self) -> SummaryPlace | None:
        """Where a run begins to read, if not at the first message."""
        return self.summaries[-1] if self.summaries else None

    @property
    def read_bytes(self) -> int:
        """How much a run reads."""
        place = self.summary
        return self.total_bytes + (place.bytes - place.covered_bytes if place else 0)

    @property
    def mark(self) -> ConversationMark | None:
        """Which conversation a run reads; None if that is not known, or it can't read all of it."""
        if not self.message_count:
            return NOTHING_SAID
        if self.digest is None or self.read_bytes > MAX_BYTES:
            return None
        place = self.summary
        return ConversationMark(
            digest=self.digest,
            messages=self.message_count - place.covers + 1 if place else self.message_count,
            bytes=self.read_bytes,
            covers=place and place.covers,
            tokens=self.tokens,
        )

    @property
    def open_page(self) -> int | None:
        """The page that takes further messages, if the last one is not full."""
        full = not self.page_counts or self.last_page_bytes >= PAGE_BYTES
        return None if full else len(self.page_counts) - 1

    def touched(self, at: Time) -> "Head":
        """Return the head of a thread that was used at a time; others may be told of later."""
        return self.model_copy(update={"updated_at": max(self.updated_at, at)})

    def is_held_by(self, run_id: str) -> bool:
        """Tell whether this run holds the thread."""
        return self.holder is not None and self.holder.run_id == run_id

    def is_full(self, max_in_line: int | None) -> bool:
        """Tell whether the line takes nobody else."""
        return self.waiting >= (MAX_IN_LINE if max_in_line is None else max_in_line)

    def enter(self, run: ThreadRun) -> tuple["Head", int | None]:
        """Give a run the thread, or a number in line; one that interrupts comes before all."""
        if self.holder is None:
            return self.model_copy(update={"holder": run, "last_run": run.run_id}), None
        number = self.first - 1 if run.interrupts else self.after_last
        update = {
            "first": min(self.first, number),
            "after_last": max(self.after_last, number + 1),
            "waiting": self.waiting + 1,
            "last_run": run.run_id,
        }
        return self.model_copy(update=update), number

    def leave(self, number: int) -> "Head":
        """Take the run of this number out of the line."""
        first = number + 1 if number == self.first else self.first
        return self.model_copy(update={"first": first, "waiting": max(self.waiting - 1, 0)})

    def without_messages(self) -> "Head":
        """Return the head of a conversation in which nothing was said."""
        nothing: dict[str, Any] = {
            "page_counts": [],
            "last_page_bytes": 0,
            "total_bytes": 0,
            "digest": None,
            "speakers": None,
            "summaries": None,
            "tokens": None,
        }
        return self.model_copy(update=nothing)

    def pass_on(self, at: Time | None, following: tuple[int, ThreadRun] | None) -> "Head":
        """Give the thread to the next in line, by number; to nobody if nobody waits."""
        update: dict[str, Any] = {"holder": None, "first": self.after_last, "waiting": 0}
        if following:
            number, run = following
            waiting = max(self.waiting - 1, 0)
            update = {"holder": run, "first": number + 1, "waiting": waiting}
        return self.model_copy(update={**update, "updated_at": at or self.updated_at})


def extend(mark: ConversationMark, items: Iterable[StoredMessage]) -> ConversationMark:
    """Return the mark of a conversation with more messages."""
    digest, messages, size = mark.digest, mark.messages, mark.bytes
    for written in map(write, items):
        digest = sha256(digest.encode() + written).hexdigest()
        messages, size = messages + 1, size + len(written)
    return ConversationMark(digest=digest, messages=messages, bytes=size)


def in_thread(stand_in: StandIn, covered: int) -> StandIn:
    """Return what a run has put in place of what it read, as it is in the thread.

    Args:
        stand_in: Covers messages of what the run has read.
        covered: How many of the thread's the first of those stands for, if it is a summary.
    """
    covers = stand_in.covers + covered - (1 if covered else 0)
    message = stand_in.message.model_copy(update={"stands_for": covers})
    return stand_in.model_copy(update={"covers": covers, "message": message})


def write(message: StoredMessage) -> bytes:
    """Return a message as it is kept."""
    return serde_of(StoredMessage).serialize(message)


def append(
    head: Head, open_page: Sequence[StoredMessage], items: Sequence[StoredMessage]
) -> tuple[Head, dict[int, list[StoredMessage]]]:
    """Add messages to the open page and to new ones.

    Returns:
        The head that counts them, and the pages to write before it.
    """
    counts, page, size = list(head.page_counts), list(open_page), head.last_page_bytes
    total = head.total_bytes
    written: dict[int, list[StoredMessage]] = {}
    for item in items:
        if not counts or size >= PAGE_BYTES:
            counts, page, size = [*counts, 0], [], 0
        page.append(item)
        item_bytes = len(write(item))
        size, total = size + item_bytes, total + item_bytes
        counts[-1] += 1
        written[len(counts) - 1] = page
    tokens = head.tokens if head.page_counts else 0
    update = {
        "page_counts": counts,
        "last_page_bytes": size,
        "total_bytes": total,
        "digest": head.mark and extend(head.mark, items).digest,
        "speakers": {**(head.speakers or {}), **speakers_in(items)} or None,
        "tokens": None if tokens is None else tokens + estimate_tokens(items),
    }
    return head.model_copy(update=update), written


def keep_first(
    head: Head,
    index: int,
    kept: Sequence[StoredMessage],
    dropped: Sequence[StoredMessage],
    speakers: Mapping[str, str] | None,
    at: Time,
) -> Head:
    """Return the head without later pages, and with so much of this one.

    Args:
        head: Of the whole conversation.
        index: Of the page that becomes the last.
        kept: What stays of it.
        dropped: All that does not, of later pages too.
        speakers: Who took over last in what stays.
        at: When that was said.
    """
    counts = [*head.page_counts[:index], len(kept)]
    left = [place for place in head.summaries or () if place.covers <= sum(counts)]
    return head.model_copy(
        update={
            "page_counts": counts,
            "last_page_bytes": sum(len(write(message)) for message in kept),
            "total_bytes": head.total_bytes - sum(len(write(message)) for message in dropped),
            "digest": None,
            "speakers": dict(speakers or {}) or None,
            "tokens": None,
            "summaries": left or None,
            "updated_at": at,
        }
    )


def pages_with(counts: Sequence[int], after: int, limit: int) -> tuple[range, int]:
    """Return the pages that hold the messages asked for, and how many messages come before."""
    first, skipped = 0, 0
    while first < len(counts) and skipped + counts[first] <= after:
        skipped += counts[first]
        first += 1
    last, reached = first, skipped
    while last < len(counts) and reached < after + limit:
        reached += counts[last]
        last += 1
    return range(first, last), skipped
