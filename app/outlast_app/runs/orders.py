"""How a request becomes the order that the worker carries out, or an addition to a run."""

import hashlib
import json
import re
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from outlast.agent import Agent
from outlast.contract import RunOrder
from outlast.conversation import whole
from outlast.errors import BodyTooLarge, InvalidRequest, UnknownAgent
from outlast.names import derived_run_id, new_run_id
from outlast.overrides import faults_of
from outlast.protocol import FilePart, ImagePart, InputMessage, Overrides, StartRun, TextPart
from outlast.registry import Registry
from outlast.trace import Trace

MAX_MESSAGE_BYTES = 1024 * 1024
MAX_DECISION_BYTES = 256 * 1024
MAX_SIGNAL_BYTES = 256 * 1024
# Objects whose names are ours, not the caller's.
_OF_OUR_FIELDS = frozenset({"limits", "options", "origin"})
_OF_LISTS = frozenset({"input", "messages", "webhooks"})
# `gs:` is Google's storage, which its models read themselves.
_IMAGE_URL = re.compile(r"(https?:|gs:|data:image/).", re.IGNORECASE)
_FILE_URL = re.compile(r"data:.", re.IGNORECASE)


def find_agent(registry: Registry, name: str) -> Agent:
    """Return the agent of this name.

    Raises:
        UnknownAgent: There is none; it says which there are.
    """
    agent = registry.get(name)
    if agent is None:
        names = ", ".join(registry.names())
        raise UnknownAgent(f"There is no agent {name!r}. The agents are: {names}.")
    return agent


def make_order(
    registry: Registry,
    agent: Agent,
    request: StartRun,
    tenant: str,
    idempotency_key: str | None,
    *,
    stream: bool,
    trace: Trace | None = None,
) -> RunOrder:
    """Make the order that the worker carries out.

    Raises:
        InvalidRequest: The instructions need a name that the context lacks, a message says
            nothing, or the agent does not allow what is to be otherwise.
        BodyTooLarge: It may have to be added to a run that goes on.
    """
    missing = [name for name in registry.teams.context_of(agent) if name not in request.context]
    if missing:
        raise InvalidRequest(
            f"The instructions of {agent.name} need {', '.join(missing)} in context.",
            extra={
                "errors": [
                    {"field": f"body.context.{name}", "message": "required by the instructions"}
                    for name in missing
                ]
            },
        )
    messages = as_messages(request.input)
    if request.on_busy == "steer":
        check_addition(request, MAX_MESSAGE_BYTES)
    run_id = (
        derived_run_id(agent.name, tenant, idempotency_key)
        if idempotency_key
        else new_run_id(agent.name)
    )
    return RunOrder(
        run_id=run_id,
        tenant=tenant,
        agent=agent.name,
        input=messages,
        thread_id=request.thread_id,
        admission=("join" if request.after_s else "queued") if request.thread_id else "none",
        on_busy=request.on_busy or "enqueue",
        stream=stream if request.stream is None else request.stream,
        context=request.context,
        metadata=request.metadata,
        limits=request.limits,
        after_s=request.after_s,
        created_at=datetime.now(UTC),
        body_hash=hash_of(request),
        repeatable=idempotency_key is not None,
        history=request.history,
        after_run=request.after_run,
        overrides=_overrides(agent, request),
        origin=request.origin,
        webhooks=request.webhooks,
        trace=trace,
        sticky=bool(request.thread_id and agent.sticky_handoff) or None,
    )


def _overrides(agent: Agent, request: StartRun) -> Overrides | None:
    """Return what the run is to have otherwise than its agent says.

    Raises:
        InvalidRequest: The agent does not allow it, or can't do it.
    """
    if not request.asked:
        return None
    if faults := faults_of(agent, request):
        raise InvalidRequest.at(*((f"body.{name}", why) for name, why in faults))
    return Overrides(**{name: getattr(request, name) for name in request.asked})


def hash_of(body: BaseModel) -> str:
    """Return what tells two bodies apart; the order of names in an object says nothing."""
    given = body.model_dump(exclude_defaults=True)  # a field that is added later changes nothing
    said = body.model_dump(mode="json", include=set(given))
    # Nor does one that is added to what is in them.
    for name in _OF_OUR_FIELDS & set(said):
        said[name] = _without_nulls(said[name])
    for name in _OF_LISTS & set(said):
        if isinstance(said[name], list):
            said[name] = [_without_nulls(item) for item in said[name]]
    text = json.dumps(said, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _without_nulls(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def check_addition(body: BaseModel, max_bytes: int) -> None:
    """Refuse what is too large to be added to a run that goes on, or to a thread.

    Raises:
        BodyTooLarge: Restate could not replay the run any more.
    """
    if len(body.model_dump_json().encode()) > max_bytes:
        raise BodyTooLarge(f"Up to {max_bytes} bytes can be added at once. Send less.")


def as_messages(said: str | list[InputMessage], field: str = "body.input") -> list[InputMessage]:
    """Return an input as messages: a whole conversation, which every model's API takes.

    Raises:
        InvalidRequest: A message says nothing, or has a file that no provider can read; each
            refuses those in ways of its own.
    """
    messages = [InputMessage(role="user", content=said)] if isinstance(said, str) else said
    for message in messages:
        if fault := fault_of(message):
            raise InvalidRequest.at((field, fault))
    return whole(messages)


def fault_of(message: InputMessage) -> str | None:
    """Return what keeps a message from being said to a model, if anything does."""
    content = message.content
    parts = [TextPart(text=content)] if isinstance(content, str) else content
    says_something = any(not isinstance(part, TextPart) or part.text.strip() for part in parts)
    if not (says_something or message.tool_calls or message.role == "tool"):
        return "a message says nothing; give each a text or a file"
    for part in parts:
        match part:
            case ImagePart() | FilePart() if message.role == "assistant":
                return "an assistant's message has text alone"
            case ImagePart() if not _IMAGE_URL.match(part.url):
                return "an image's url begins with https:, http: or data:image/"
            case FilePart() if not _FILE_URL.match(part.url):
                return "a file's url begins with data:"
            case _:
                pass
    return None
