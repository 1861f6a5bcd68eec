"""Runs an agent in memory: the engine's own loop, with real tools and a scripted model."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from pydantic import JsonValue

from outlast.agent import Agent
from outlast.contract import RunOrder
from outlast.conversation import whole
from outlast.lifespan import Lifespan, open_lifespan
from outlast.names import DEFAULT_TENANT, new_run_id
from outlast.protocol import (
    ClientToolSpec,
    InputMessage,
    Limits,
    Message,
    ModelCallOptions,
    Overrides,
    StartRun,
    ToolChoice,
)
from outlast_worker.engine.records import StoredMessage
from outlast_worker.testing.client_results import ClientResults, GivenResult
from outlast_worker.testing.decisions import Decisions, GivenDecision
from outlast_worker.testing.result import RunResult
from outlast_worker.testing.scripted_model import Script
from outlast_worker.testing.team import Outside, Team

_THREAD = "test"


async def run_in_memory(
    agent: Agent,
    input: str | Sequence[InputMessage],  # noqa: A002  # as in the HTTP interface
    *,
    model: Script,
    children: Mapping[str, Script] | None = None,
    others: Sequence[Agent] = (),
    context: Mapping[str, Any] | None = None,
    metadata: Mapping[str, str] | None = None,
    history: Sequence[Message] = (),
    thread_id: str | None = None,
    tenant: str = DEFAULT_TENANT,
    resources: object = None,
    lifespan: Lifespan | None = None,
    decisions: Mapping[str, GivenDecision] | None = None,
    client_results: Mapping[str, GivenResult] | None = None,
    client_tools: Sequence[ClientToolSpec] | None = None,
    steering: Mapping[int, str | Sequence[str]] | None = None,
    signals: Mapping[str, JsonValue] | None = None,
    limits: Limits | None = None,
    instructions: str | None = None,
    options: ModelCallOptions | None = None,
    tool_choice: ToolChoice | None = None,
    output_schema: Mapping[str, Any] | None = None,
    stream: bool = False,
) -> RunResult:
    """Run an agent to its end, in milliseconds: without Restate, network or a real model.

    Tools really run, side by side as in production; what the worker waits for (a person, a retry)
    takes no time.

    Args:
        agent: Any agent.
        input: What the user says.
        model: What the model does, call by call: `[call("refund", order_id="A-1"), text("Done.")]`.
            Or a function that is given a `ModelRequest`. Whoever the run is handed over to goes on
            with it.
        children: What the models of agents do that it calls, by the agents' names:
            `{"researcher": [text("Paris.")]}`. Several calls of one go on with its script.
        others: Agents that are handed over to by their names alone.
        context: Names for the instructions' `{{…}}`, and for tools.
        metadata: Kept with the run.
        history: The conversation before, such as `thread` of an earlier result.
        thread_id: Of the conversation, as tools see it.
        tenant: Whose run it is, as tools see it.
        resources: What tools get as `ToolContext.resources`.
        lifespan: Entered for this run in place of `resources`.
        decisions: What people decide, by tool or by call id: `{"refund": "approve"}`. `reject`,
            `expire`, or a `Decision` with a reason or other arguments; what a server asks is
            answered by `Decision(action="answer", content={…})`, or `decline`. Of called agents,
            too.
        client_results: What clients send for calls of their tools, by tool or by call id: a text,
            a `CallResult`, a function of the arguments, or `expire`.
        client_tools: Tools that the caller brings along, if the agent's `overrides` allow it.
        steering: What somebody says to the run while the model is asked, by turn: `{1: "Stop."}`.
        signals: What is sent to durable tools, by name; others never come.
        limits: Of the run; of each, this one and the agent's, the lower one counts.
        instructions: Further ones, if the agent's `overrides` allow it.
        options: How the model is called in this run, as far as the agent allows it.
        tool_choice: Of the first model call, if the agent allows it.
        output_schema: What the answer has to fit, if the agent allows it.
        stream: Whether the model is streamed; `RunResult.live` has the pieces.

    Raises:
        AssertionError: The script is too short or too long, or a decision is missing or spare. The
            message tells what the run did so far.
        pydantic.ValidationError: The app would refuse this run.
    """
    __tracebackhide__ = True
    if lifespan is not None and resources is not None:
        raise TypeError("give either resources or the lifespan that yields them")
    request = StartRun.model_validate(
        {
            "input": input if isinstance(input, str) else list(input),
            "context": dict(context or {}),
            "metadata": dict(metadata or {}),
            "thread_id": thread_id or (_THREAD if history else None),
            "limits": limits or Limits(),
            "instructions": instructions,
            "options": options,
            "tool_choice": tool_choice,
            "client_tools": list(client_tools) if client_tools else None,
            "output_schema": output_schema,
        }
    )
    order = _order(agent, request, tenant, stream=stream)
    stored = [StoredMessage(**message.model_dump()) for message in history]
    said = {turn: [m] if isinstance(m, str) else m for turn, m in (steering or {}).items()}
    async with _open(lifespan, resources) as opened:
        outside = Outside(
            Decisions(decisions or {}), ClientResults(client_results or {}), signals or {}
        )
        team = Team([agent, *others], model, children or {}, outside, opened)
        try:
            return await team.run(order, said, stored)
        finally:
            await team.close()


@asynccontextmanager
async def _open(lifespan: Lifespan | None, resources: object) -> AsyncGenerator[object]:
    if lifespan is None:
        yield resources
        return
    async with open_lifespan(lifespan) as opened:
        yield opened


def _order(agent: Agent, request: StartRun, tenant: str, *, stream: bool) -> RunOrder:
    said = request.input
    return RunOrder(
        run_id=new_run_id(agent.name),
        tenant=tenant,
        agent=agent.name,
        input=[InputMessage(role="user", content=said)] if isinstance(said, str) else whole(said),
        thread_id=request.thread_id,
        admission="granted" if request.thread_id else "none",
        stream=stream,
        context=request.context,
        metadata=request.metadata,
        limits=request.limits,
        after_s=0,
        created_at=datetime.now(UTC),
        body_hash="",
        repeatable=False,
        overrides=Overrides(**{name: getattr(request, name) for name in request.asked}),
        sticky=agent.sticky_handoff or None,
    )
