"""What Anthropic is asked: the body of a request for a streamed message."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast

from outlast.claude_models import Claude, claude_of
from outlast.protocol import ModelSettings
from outlast_worker.engine.operations import ModelCall
from outlast_worker.models.anthropic_http.address import BETAS, PROVIDER, is_anthropics
from outlast_worker.models.anthropic_http.conversation import (
    calls_unthought,
    text_block,
    thoughts_in,
    turns_of,
)
from outlast_worker.models.anthropic_http.layout import BACK, Block, seal_of
from outlast_worker.models.anthropic_http.thinking import budget_tokens, thinking
from outlast_worker.models.cache_hints import hint_messages
from outlast_worker.models.chat_format import wire_messages
from outlast_worker.models.output_format import plain_shape, with_final_tool
from outlast_worker.models.prices import answer_tokens

# For a model that is not in the list: each one that still answers takes it.
_ANSWER_TOKENS = 8192


@dataclass(frozen=True)
class Asked:
    """A request.

    Attributes:
        body: In Anthropic's format.
        seals: Of all thinking that goes back with it.
        betas: What it asks for that is not for everybody yet.
    """

    body: Mapping[str, Any]
    seals: frozenset[str]
    betas: Collection[str]


def ask_for(call: ModelCall, host: str | None, unreadable: Collection[str] = ()) -> Asked:
    """Return a request for a streamed answer.

    Args:
        call: What to ask.
        host: Where.
        unreadable: The seals of thinking that the provider has refused.
    """
    claude = claude_of(call.model)
    schema = _schema(call, claude, host)
    if schema is None:
        call = with_final_tool(call)
    instructions, *messages = hint_messages(call, wire_messages(call, BACK, whole_results=True))
    turns = turns_of(messages, unreadable)
    extra = dict(call.settings.extra_body or {})
    betas = [beta for name in BETAS for beta in _listed(extra.pop(name, ()))]
    body: dict[str, Any] = {
        "model": call.model.removeprefix(f"{PROVIDER}/"),
        "messages": turns,
        **_settings(call, claude, goes_on_unthought=calls_unthought(turns)),
        "stream": True,
    }
    if system := text_block(instructions):
        body["system"] = system
    if call.pin.tools:
        body["tools"] = _tools(call)
    if schema:
        body["output_config"] = {**body.get("output_config", {}), "format": schema}
    if isinstance(config := extra.pop("output_config", None), dict):
        body["output_config"] = {**body.get("output_config", {}), **config}
    return Asked(body | extra, frozenset(map(seal_of, thoughts_in(turns))), betas)


def _settings(call: ModelCall, claude: Claude | None, *, goes_on_unthought: bool) -> dict[str, Any]:
    settings = call.settings
    known = settings.max_output_tokens or answer_tokens(call.model)
    max_tokens = known or _ANSWER_TOKENS + budget_tokens(claude, settings.reasoning_effort)
    said: dict[str, Any] = {
        "max_tokens": max_tokens,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "stop_sequences": settings.stop,
        "tool_choice": _tool_choice(settings) if call.pin.tools else None,
    }
    return {name: value for name, value in said.items() if value is not None} | thinking(
        call.model, claude, settings, max_tokens, goes_on_unthought=goes_on_unthought
    )


def _tool_choice(settings: ModelSettings) -> dict[str, Any] | None:
    one_call = {"disable_parallel_tool_use": True} if settings.parallel_tool_calls is False else {}
    match settings.tool_choice:
        case None:
            return {"type": "auto", **one_call} if one_call else None
        case "none":
            return {"type": "none"}
        case "auto":
            return {"type": "auto", **one_call}
        case "required":
            return {"type": "any", **one_call}
        case name:
            return {"type": "tool", "name": name, **one_call}


def _tools(call: ModelCall) -> list[Block]:
    return [
        {
            "name": tool.name,
            "description": tool.description,
            "input_schema": {"type": "object", **tool.parameters},
        }
        for tool in call.pin.tools
    ]


def _schema(call: ModelCall, claude: Claude | None, host: str | None) -> dict[str, Any] | None:
    """Return what an answer has to be; empty if it may be anything, None if that can't be said.

    Servers that only speak as Anthropic does may not hold a model to it.
    """
    if call.pin.output is None:
        return {}
    if claude is None or not claude.takes_schema or not is_anthropics(host):
        return None
    shape = plain_shape(call.pin.output.shape)
    return shape and {"type": "json_schema", "schema": shape}


def _listed(value: Any) -> list[Any]:
    if isinstance(value, str):
        return value.split(",")
    return list(cast("list[Any]", value)) if isinstance(value, list | tuple) else []
