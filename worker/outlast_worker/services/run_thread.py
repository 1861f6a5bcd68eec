"""A run's thread on Restate: held, read, and left with what the run adds to it."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

import restate
from restate import WorkflowContext

from outlast.contract import ConversationMark, RunOrder, SubmitAnswer
from outlast.names import key_of
from outlast.protocol import Time
from outlast_worker.conversations import Conversations
from outlast_worker.engine.exceptions import Cancelled
from outlast_worker.engine.records import StoredMessage
from outlast_worker.engine.steps import Left
from outlast_worker.services import calls, promises, state
from outlast_worker.services.run_futures import RunFutures
from outlast_worker.services.serde import serde_of
from outlast_worker.services.suspend import suspending_soon
from outlast_worker.services.thread_calls import HoldUp, Join, Release
from outlast_worker.services.thread_state import NOTHING_SAID, extend, in_thread

# Only for a release that somebody kills in Restate.
_RELEASE_PATIENCE = timedelta(seconds=10)


class RestateThread:
    """The `ThreadSteps` of one attempt at one run.

    Args:
        ctx: The attempt's.
        order: The run's.
        prefix: Of Restate's services.
        futures: Waits for what the run has begun.
        conversations: What this process remembers.
    """

    def __init__(
        self,
        ctx: WorkflowContext,
        order: RunOrder,
        prefix: str,
        futures: RunFutures,
        conversations: Conversations,
    ) -> None:
        self._ctx = ctx
        self._order = order
        self._key = key_of(order.tenant, order.thread_id or "")
        self._target = calls.thread_target(prefix, self._key)
        self._futures = futures
        self._conversations = conversations
        self._mark: ConversationMark | None = None

    async def acquire(self) -> ConversationMark | None:
        """Wait until the run holds its thread, and return which conversation it goes on with."""
        admission, mark = self._order.admission, self._order.conversation
        if admission == "join":
            joined = await self._join()
            admission, mark = joined.outcome, joined.conversation
        if admission == "queued":
            with suspending_soon(self._ctx):
                await self._futures.wait(promises.ADMISSION.value(self._ctx))
            asked = calls.CONVERSATION_MARK.call(self._ctx, self._target, None)
            mark = await self._futures.wait(asked)
        self._mark = NOTHING_SAID if self._order.history == "replace" else mark
        if self._mark and self._mark.messages:
            state.CONVERSATION.set(self._ctx, self._mark)
        return self._mark

    def recall(self, mark: ConversationMark) -> Sequence[StoredMessage] | None:
        """Return the conversation if this process remembers it."""
        return self._conversations.find(self._key, mark)

    async def read(self) -> list[StoredMessage]:
        """Return what was said on the thread before, and remember it."""
        said = await self._futures.wait(calls.CONVERSATION.call(self._ctx, self._target, None))
        if self._mark:
            self._conversations.keep(self._key, self._mark, said)
            return said
        covers = said[0].stands_for if said else None
        self._mark = extend(NOTHING_SAID, said).model_copy(update={"covers": covers})
        if said:
            state.CONVERSATION.set(self._ctx, self._mark)
        return said

    async def find_speaker(self) -> str | None:
        """Return to whom the thread's runs of this agent were handed over last."""
        asked = calls.SPEAKER.call(self._ctx, self._target, self._order.agent)
        return await self._futures.wait(asked)

    async def release(self, left: Left, at: Time) -> None:
        """Hold the thread no longer, and wait until it has what the run adds to it.

        A one-way send, answered by an awakeable: no cancellation cuts it, however many come.
        """
        name, released = self._ctx.awakeable(serde_of(bool))
        self._remember(left)
        release = Release(
            run_id=self._order.run_id,
            items=list(left.items),
            at=at,
            awakeable=name,
            stand_in=left.stand_in,
            follows=self._mark.digest if self._mark and left.stand_in else None,
            tokens=left.tokens,
        )
        calls.RELEASE.send(self._ctx, self._target, release)
        waited = self._ctx.sleep(_RELEASE_PATIENCE)
        while True:
            with suppress(Cancelled), suspending_soon(self._ctx):
                await self._futures.wait(restate.select(released=released, waited=waited))
                return

    def hold_up(self, *, waits: bool) -> None:
        """Tell the thread, one-way, that the run waits for a person, or no longer."""
        calls.HOLD_UP.send(self._ctx, self._target, HoldUp(run_id=self._order.run_id, waits=waits))

    def _remember(self, left: Left) -> None:
        """Remember what the next run on the thread will find there."""
        before = self._mark and self.recall(self._mark)
        if self._mark is None or before is None:
            return
        said = [*before, *left.items]
        if left.stand_in is None:
            mark = extend(self._mark, left.items)
        else:
            stand_in = in_thread(left.stand_in, self._mark.covers or 0)
            said = [stand_in.message, *said[left.stand_in.covers :]]
            mark = extend(NOTHING_SAID, said)
        self._conversations.keep(self._key, mark, said)

    async def _join(self) -> SubmitAnswer:
        """Join the line on the thread: a delayed run does so when its delay is over."""
        join = Join(
            run_id=self._order.run_id,
            agent=self._order.agent,
            tenant=self._order.tenant,
            invocation_id=self._ctx.request().id,
            body_hash=self._order.body_hash,
            at=self._order.created_at + timedelta(seconds=self._order.after_s),
            interrupts=self._order.on_busy == "interrupt",
            replaces=self._order.history == "replace" or None,
        )
        return await self._futures.wait(calls.JOIN.call(self._ctx, self._target, join))
