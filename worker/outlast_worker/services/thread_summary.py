"""The summary that runs read in place of the first messages of a thread, as the thread keeps it.

Its text has a key of its own; the head says what it covers.
"""

from collections.abc import Sequence

from restate import ObjectContext

from outlast_worker.engine.records import StandIn, StoredMessage
from outlast_worker.services.thread_calls import Release
from outlast_worker.services.thread_history import read_after
from outlast_worker.services.thread_state import (
    NOTHING_SAID,
    Head,
    SummaryPlace,
    extend,
    in_thread,
    write,
)


def with_summary(head: Head, stand_in: StandIn, after: Sequence[StoredMessage]) -> Head:
    """Return the head of a conversation of which runs read less.

    Args:
        head: Counts all messages.
        stand_in: As it is in the thread.
        after: The messages that it does not cover.
    """
    place = SummaryPlace(
        covers=stand_in.covers,
        covered_bytes=head.total_bytes - sum(len(write(message)) for message in after),
        bytes=len(write(stand_in.message)),
        how=stand_in.how,
        run_id=stand_in.message.run_id,
        at=stand_in.message.created_at,
    )
    digest = extend(NOTHING_SAID, [stand_in.message, *after]).digest
    return head.model_copy(update={"summaries": [*(head.summaries or ()), place], "digest": digest})


def stand_in_of(head: Head, released: Release) -> StandIn | None:
    """Return what a run leaves to be read, if it is of the conversation that this head counts."""
    mark = head.mark
    if released.stand_in is None or mark is None or mark.digest != released.follows:
        return None
    return in_thread(released.stand_in, mark.covers or 0)


async def read_not_covered(
    ctx: ObjectContext, head: Head, items: Sequence[StoredMessage], stand_in: StandIn
) -> list[StoredMessage]:
    """Return what follows the messages that a summary covers, with what is added now."""
    count = head.message_count
    kept = await read_after(ctx, head, min(stand_in.covers, count), count)
    return [*kept, *items[max(stand_in.covers - count, 0) :]]
