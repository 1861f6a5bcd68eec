"""Reads how a run was made from its state: its order, its pinned definition, its prompts."""

from collections.abc import Sequence
from dataclasses import dataclass

from restate import Workflow, WorkflowSharedContext

from outlast.contract import ConversationMark, PromptQuestion, RunOrder
from outlast.events import ModelFallback, ReadEvent
from outlast.protocol import DefinedTool, Message, Prompt, RunDefinition
from outlast_worker.engine.offered import offered_tools
from outlast_worker.engine.records import Pin, PinnedTool, StandIn, StoredMessage
from outlast_worker.engine.salvage import messages_before_turn
from outlast_worker.models.chat_format import as_read
from outlast_worker.services import state
from outlast_worker.services.event_log import read_events
from outlast_worker.services.policies import READ_POLICY
from outlast_worker.services.run_history import (
    find_stand_in,
    pin_in,
    read_history,
    with_told,
)
from outlast_worker.services.serde import json_handler
from outlast_worker.services.thread_state import NOTHING_SAID, in_thread


def add_inspection(workflow: Workflow, prefix: str) -> None:
    """Add the handlers for who may look behind a run."""

    @json_handler(workflow.handler, invocation_retry_policy=READ_POLICY)
    async def order(ctx: WorkflowSharedContext) -> RunOrder | None:
        """Return what the run was asked for; None before it has begun."""
        return await state.ORDER.get(ctx)

    @json_handler(workflow.handler, invocation_retry_policy=READ_POLICY)
    async def definition(ctx: WorkflowSharedContext) -> RunDefinition | None:
        """Return what the run keeps of its agent; None before that is known, or if it never was."""
        order, pin = await state.ORDER.get(ctx), await state.DEFINITION.get(ctx)
        return _definition(order, pin) if order and pin else None

    @json_handler(workflow.handler, invocation_retry_policy=READ_POLICY)
    async def prompt(ctx: WorkflowSharedContext, question: PromptQuestion) -> Prompt | None:
        """Return what the model was sent in a turn; None if there is no such turn."""
        order, run = await state.ORDER.get(ctx), await state.RUN.get(ctx)
        events = await read_events(ctx)
        pin = await pin_in(ctx, question.turn, events)
        if order is None or pin is None or run is None:
            return None
        own = messages_before_turn(order, run, events, question.turn)
        if own is None:
            return None
        mark = await state.CONVERSATION.get(ctx) or NOTHING_SAID
        history = await read_history(ctx, prefix, order)
        said = _Said(mark, history, await with_told(ctx, order, own))
        stand_in = await find_stand_in(ctx, question.turn)
        before, since = said.read(stand_in)
        read = _as_read(before)
        chosen = pin.settings_in(question.turn).tool_choice
        offered = offered_tools(pin.tools, [*(history or ()), *own], chosen)
        return Prompt(
            run_id=order.run_id,
            turn=question.turn,
            agent=pin.agent or order.agent,
            model=_model_in(question.turn, pin, events),
            instructions=pin.instructions,
            tools=_tools(offered),
            messages=[*read, *_as_read(since)],
            history_count=len(read),
            summary_of=in_thread(stand_in, mark.covers or 0).covers if stand_in else mark.covers,
            is_whole=said.is_whole(stand_in),
        )


@dataclass(frozen=True)
class _Said:
    """What was said before a run, unless it is gone, and in the run."""

    mark: ConversationMark
    history: Sequence[StoredMessage] | None
    own: Sequence[StoredMessage]

    def read(
        self, stand_in: StandIn | None
    ) -> tuple[Sequence[StoredMessage], Sequence[StoredMessage]]:
        """Return what models read of both."""
        history = self.history or ()
        if stand_in is None:
            return history, self.own
        left_out = max(stand_in.covers - self._count_before, 0)
        return [stand_in.message, *history[stand_in.covers :]], self.own[left_out:]

    def is_whole(self, stand_in: StandIn | None) -> bool:
        """Tell whether nothing is missing of it."""
        covers = stand_in.covers if stand_in else 0
        return self.history is not None or covers >= self._count_before

    @property
    def _count_before(self) -> int:
        return self.mark.messages if self.history is None else len(self.history)


def _definition(order: RunOrder, pin: Pin) -> RunDefinition:
    return RunDefinition(
        run_id=order.run_id,
        agent=pin.agent or order.agent,
        digest=pin.digest,
        pinned_at=pin.at,
        model=pin.model,
        fallbacks=pin.fallbacks,
        model_settings=pin.model_settings,
        instructions=pin.instructions,
        tools=_tools(pin.tools),
        limits=pin.limits,
        output_schema=pin.output and pin.output.shape,
    )


def _model_in(turn: int, pin: Pin, events: Sequence[ReadEvent]) -> str:
    """Return the model that a turn was asked of last; a run stays with one that answers."""
    turns = range(pin.first_turn or 1, turn + 1)
    asked = (e.model for e in events if isinstance(e, ModelFallback) and e.turn in turns)
    return [pin.model, *asked][-1]


def _tools(tools: Sequence[PinnedTool]) -> list[DefinedTool]:
    return [DefinedTool(**tool.model_dump(include=set(DefinedTool.model_fields))) for tool in tools]


def _as_read(messages: Sequence[StoredMessage]) -> list[Message]:
    return [read for message in messages if (read := as_read(message))]
