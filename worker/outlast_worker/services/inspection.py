"""Reads how a run was made from its state: its order, its pinned definition, its prompts."""

from collections.abc import Sequence

from restate import TerminalError, Workflow, WorkflowSharedContext

from outlast.contract import ConversationMark, PromptQuestion, RunOrder
from outlast.events import HandedOver, ModelFallback, ReadEvent
from outlast.names import key_of
from outlast.protocol import DefinedTool, Message, Prompt, RunDefinition
from outlast_worker.engine.offered import offered_tools
from outlast_worker.engine.records import Pin, PinnedTool, StoredMessage
from outlast_worker.engine.salvage import messages_before_turn
from outlast_worker.models.chat_format import as_read
from outlast_worker.services import calls, state
from outlast_worker.services.cancellation import is_own_cancellation
from outlast_worker.services.event_log import read_events
from outlast_worker.services.policies import READ_POLICY
from outlast_worker.services.serde import json_handler
from outlast_worker.services.thread_state import NOTHING_SAID, extend


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
        pin = await _pin_in(ctx, question.turn, events)
        if order is None or pin is None or run is None:
            return None
        own = messages_before_turn(order, run, events, question.turn)
        if own is None:
            return None
        mark = await state.CONVERSATION.get(ctx) or NOTHING_SAID
        history: Sequence[StoredMessage] | None = []
        if mark.messages:
            history = await _read_history(ctx, prefix, order, mark)
        read = _as_read(history or [])
        chosen = pin.settings_in(question.turn).tool_choice
        offered = offered_tools(pin.tools, [*(history or ()), *own], chosen)
        return Prompt(
            run_id=order.run_id,
            turn=question.turn,
            agent=pin.agent or order.agent,
            model=_model_in(question.turn, pin, events),
            instructions=pin.instructions,
            tools=_tools(offered),
            messages=[*read, *_as_read([await _with_told(ctx, message) for message in own])],
            history_count=len(read),
            is_whole=history is not None,
        )


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


async def _pin_in(ctx: WorkflowSharedContext, turn: int, events: Sequence[ReadEvent]) -> Pin | None:
    """Return the definition that counted in a turn."""
    ends = [e.turn for e in events if isinstance(e, HandedOver) and e.turn >= turn]
    kept = state.former_definition(min(ends)) if ends else state.DEFINITION
    return await kept.get(ctx)


def _model_in(turn: int, pin: Pin, events: Sequence[ReadEvent]) -> str:
    """Return the model that a turn was asked of last; a run stays with one that answers."""
    turns = range(pin.first_turn or 1, turn + 1)
    asked = (e.model for e in events if isinstance(e, ModelFallback) and e.turn in turns)
    return [pin.model, *asked][-1]


def _tools(tools: Sequence[PinnedTool]) -> list[DefinedTool]:
    return [DefinedTool(**tool.model_dump(include=set(DefinedTool.model_fields))) for tool in tools]


def _as_read(messages: Sequence[StoredMessage]) -> list[Message]:
    return [read for message in messages if (read := as_read(message))]


async def _with_told(ctx: WorkflowSharedContext, message: Message) -> StoredMessage:
    told = await state.told(message.call_id).get(ctx) if message.call_id else None
    return StoredMessage(**message.model_dump(), told=told)


async def _read_history(
    ctx: WorkflowSharedContext, prefix: str, order: RunOrder, mark: ConversationMark
) -> Sequence[StoredMessage] | None:
    """Return what was said on the thread before the run; None if that is there no longer."""
    target = calls.thread_target(prefix, key_of(order.tenant, order.thread_id or ""))
    try:
        said = await calls.CONVERSATION.call(ctx, target, None)
    except TerminalError as error:
        if is_own_cancellation(error):
            raise
        return None  # it has grown too long to be read at once
    before = said[: mark.messages]
    return before if extend(NOTHING_SAID, before) == mark else None
