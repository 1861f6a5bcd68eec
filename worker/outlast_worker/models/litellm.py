"""Providers through litellm: the only module that imports it.

litellm takes seconds to import, so it is loaded in the background once the worker serves. It
never retries here (Restate does, durably), and what it returns becomes an answer of our own.
"""

import asyncio
import functools
import os
from collections.abc import Callable, Iterable
from copy import deepcopy
from importlib.util import find_spec
from typing import Any, cast
from urllib.parse import urlsplit

from outlast.protocol import Usage
from outlast.providers import PROVIDERS, provider_of
from outlast_worker.engine.operations import ModelCall
from outlast_worker.installed import NotInstalled
from outlast_worker.models.answers import Answer, AnsweredCall
from outlast_worker.models.cache_hints import hint_messages
from outlast_worker.models.chat_format import wire_messages, wire_settings, wire_tools
from outlast_worker.models.faults import CallFailed
from outlast_worker.models.fitting import warn_left_out
from outlast_worker.models.hearing import HeardAnswer, Hearing
from outlast_worker.models.keys import Access
from outlast_worker.models.litellm_errors import headers_of, symptoms_of
from outlast_worker.models.litellm_options import ARGUMENTS
from outlast_worker.models.output_format import schema_format, with_final_tool
from outlast_worker.models.sent_back import sent_back
from outlast_worker.models.silence import noticing_silence

# What only the provider understands, by litellm's names.
_OPAQUE_FIELDS = ("reasoning_content", "thinking_blocks", "provider_specific_fields")
# litellm hides whether their streams ended or broke off, so they are not streamed.
_UNVERIFIABLE_STREAMS = ("gemini", "vertex_ai", "vertex_ai_beta")
# These would get a field `extra_body`, but an option that litellm does not know as it is.
_NO_EXTRA_BODY = ("anthropic", "bedrock")
# What litellm puts before the names of a provider's headers.
_OF_PROVIDER = "llm_provider-"
# litellm drops streamed calls without an id, which some servers don't give.
_NO_ID = "no id"


@functools.cache
def load_litellm() -> Any:
    """Import litellm such that it does nothing else.

    By itself it fetches a price list, and reads the `.env` of a folder above its own.
    """
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
    import litellm

    litellm.suppress_debug_info = True
    litellm.disable_token_counter = True
    return litellm


def litellm_knows(provider: str) -> bool:
    """Tell whether litellm can call a provider of this name."""
    litellm = load_litellm()
    from litellm.llms.openai_like.json_loader import (  # pyright: ignore[reportMissingTypeStubs]  # it has none
        JSONProviderRegistry,
    )

    listed = {str(getattr(each, "value", each)) for each in litellm.provider_list}
    return provider in listed or JSONProviderRegistry.exists(provider)


class LitellmApi:
    """The `ProviderApi` for every provider that litellm knows."""

    def __init__(self, timeout_s: float, idle_s: float) -> None:
        self._timeout_s = timeout_s
        self._idle_s = idle_s

    def serves(self, model: str, options: Iterable[str]) -> bool:  # noqa: ARG002  # the protocol's
        """Serve all that nobody else does."""
        return True

    def knows(self, provider: str) -> bool:
        """Look the name up, and load litellm for that only where our own list lacks it.

        Raises:
            NotInstalled: litellm is missing.
        """
        if find_spec("litellm") is None:
            raise NotInstalled(
                f"Models of {provider} are called through litellm, which is not installed. Run: "
                'pip install "outlast-worker[litellm]"'
            )
        return provider in PROVIDERS or litellm_knows(provider)

    async def tells_cost(self, model: str) -> bool:
        """Tell whether litellm has a price."""
        await self.load()
        try:
            info = load_litellm().get_model_info(model)
        except Exception:  # noqa: BLE001  # litellm raises several types for a model without a price
            return False
        return bool(info.get("input_cost_per_token") or info.get("output_cost_per_token"))

    async def load(self) -> None:
        """Import litellm on a thread, once."""
        if not load_litellm.cache_info().currsize:
            await asyncio.to_thread(load_litellm)

    async def close(self) -> None:
        """Close the connections, if there can be any."""
        if load_litellm.cache_info().currsize:
            await load_litellm().close_litellm_async_clients()

    async def ask(self, call: ModelCall, access: Access, hearing: Hearing) -> Answer:
        """Ask the provider once.

        Raises:
            CallFailed: With what litellm made of it.
        """
        try:
            await self.load()
            litellm = load_litellm()
            if call.pin.tools or not litellm.supports_response_schema(call.model):
                call = with_final_tool(call)
            if provider_of(call.model) in _UNVERIFIABLE_STREAMS:
                response, reason = await self._request(litellm, call, access, stream=False), None
                hearing.headers(_headers(response))
            else:
                async with noticing_silence(self._idle_s) as heard:
                    stream = await self._request(litellm, call, access, stream=True)
                    hearing.headers(_headers(stream))
                    response = await _collect(stream, hearing.begin(), heard)
                    reason = stream.received_finish_reason
                if not response:  # a server that can't stream: what it said is lost in litellm
                    response, reason = await self._request(litellm, call, access, stream=False), ""
        except CallFailed:
            raise
        except Exception as error:  # litellm raises bare ValueErrors too; all are read
            hearing.headers(headers_of(error))
            raise CallFailed(symptoms_of(error)) from error
        return _assemble(litellm, call.model, response, reason)

    async def _request(self, litellm: Any, call: ModelCall, access: Access, *, stream: bool) -> Any:
        provider = provider_of(call.model)
        back = sent_back(provider, urlsplit(access.base_url or "").hostname)
        return await litellm.acompletion(
            model=call.model,
            messages=hint_messages(call, wire_messages(call, back)),
            timeout=self._timeout_s,
            num_retries=0,
            max_retries=0,
            **_options(litellm, call, access, stream=stream),
        )


def _options(litellm: Any, call: ModelCall, access: Access, *, stream: bool) -> dict[str, Any]:
    options = {**_taken(litellm, call), **schema_format(call)}
    extra = call.settings.extra_body or {}
    options |= {name: value for name, value in extra.items() if name in ARGUMENTS}
    if rest := {name: value for name, value in extra.items() if name not in ARGUMENTS}:
        options |= rest if provider_of(call.model) in _NO_EXTRA_BODY else {"extra_body": rest}
    if call.pin.tools:
        options["tools"] = deepcopy(wire_tools(call.pin.tools))  # it may change them
    if stream:
        options |= {"stream": True, "stream_options": {"include_usage": True}}
    if access.base_url:
        options["api_base"] = access.base_url
    if access.api_key:
        options["api_key"] = access.api_key
    if headers := {**(call.settings.extra_headers or {}), **access.headers}:
        options["extra_headers"] = headers
    return options


def _taken(litellm: Any, call: ModelCall) -> dict[str, Any]:
    """Return the settings that the provider takes; litellm refuses calls with others."""
    provider, _, name = call.model.partition("/")
    known = litellm.get_supported_openai_params(model=name, custom_llm_provider=provider)
    allowed: Any = (call.settings.extra_body or {}).get("allowed_openai_params") or []
    taken = wire_settings(call)
    for setting in list(taken):
        if known and setting not in (*known, *allowed):
            del taken[setting]
            warn_left_out(call.model, setting, "litellm knows of no such parameter there")
    return taken


def _headers(response: Any) -> dict[str, str]:
    """Return the headers of the provider's answer."""
    hidden: dict[str, Any] = getattr(response, "_hidden_params", None) or {}
    kept = cast("dict[str, Any]", hidden.get("additional_headers") or {})
    return {name.removeprefix(_OF_PROVIDER): str(value) for name, value in kept.items()}


async def _collect(stream: Any, shown: HeardAnswer, heard: Callable[[], None]) -> list[Any]:
    """Read a stream to its end, if there is anything in it, and show it as it comes.

    Raises:
        CallFailed: It ended without the provider's final event. litellm itself then claims that
            the model stopped.
    """
    chunks: list[Any] = []
    try:
        async for chunk in stream:
            heard()
            chunk.choices = [choice for choice in chunk.choices if not choice.index]
            chunks.append(chunk)
            for choice in chunk.choices:
                shown.add("reasoning", getattr(choice.delta, "reasoning_content", None) or "")
                shown.add("text", choice.delta.content or "")
                if choice.delta.tool_calls:
                    shown.add_call()
    finally:
        shown.end()
    if stream.received_finish_reason:
        return chunks
    if any(choice.delta.content or choice.delta.tool_calls for c in chunks for choice in c.choices):
        raise CallFailed.malformed("The model's stream broke off before its end.")
    return []


def _assemble(litellm: Any, model: str, response: Any, reason: str | None) -> Answer:
    """Make the answer of a response, or of a stream's pieces, which ended for this reason.

    Raises:
        CallFailed: It can't be made.
    """
    try:
        if isinstance(response, list):
            chunks = cast("list[Any]", response)
            if any(getattr(choice.delta, "refusal", None) for c in chunks for choice in c.choices):
                reason = "refusal"  # of whose words litellm passes on the first piece only
            response = _build(litellm, chunks)
        return _answer(litellm, model, response, reason)
    except CallFailed:
        raise
    except Exception as error:  # litellm raises all sorts; the answer is what they can't read
        raise CallFailed.malformed("The model's answer can't be read.") from error


def _build(litellm: Any, chunks: list[Any]) -> Any:
    for choice in (choice for chunk in chunks for choice in chunk.choices):
        pieces: list[Any] = choice.delta.tool_calls or []
        for piece in pieces:
            if piece.function.name and not piece.id:
                piece.id = _NO_ID
    return litellm.stream_chunk_builder(chunks)


def _answer(litellm: Any, model: str, response: Any, reason: str | None) -> Answer:
    """Take over a whole answer.

    Raises:
        CallFailed: It has no choice.
    """
    if not response or not response.choices:
        raise CallFailed.malformed("The model's answer has no choice.")
    choice = response.choices[0]
    message = choice.message
    said = message.model_dump(exclude_none=True)
    raw_calls: list[Any] = message.tool_calls or []
    return Answer(
        text=message.content or "",
        calls=[_call(raw) for raw in raw_calls],
        finish_reason=reason or _reason(choice),
        model=str(response.model or ""),
        usage=_usage(litellm, model, response),
        fields={name: kept for name in _OPAQUE_FIELDS if (kept := _filled(said.get(name)))},
    )


def _reason(choice: Any) -> str:
    """Return the provider's own reason; litellm takes those that it doesn't know for `stop`."""
    fields: dict[str, Any] = getattr(choice, "provider_specific_fields", None) or {}
    return str(fields.get("native_finish_reason") or choice.finish_reason or "")


def _call(raw: Any) -> AnsweredCall:
    said = raw.model_dump(exclude_none=True)
    call_id = None if said.get("id") is None else str(said["id"])
    kept = _filled(said.get("provider_specific_fields"))
    return AnsweredCall(
        name=raw.function.name or "",
        arguments=raw.function.arguments or "",
        call_id=None if call_id == _NO_ID else call_id,
        fields={"provider_specific_fields": kept} if kept else {},
    )


def _filled(value: Any) -> Any:
    """Drop what litellm only mentions, such as `{"refusal": None}`."""
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {name: item for name, item in items if item is not None}
    return value


def _usage(litellm: Any, model: str, response: Any) -> Usage:
    usage = getattr(response, "usage", None)
    if usage is None or not (usage.prompt_tokens or usage.completion_tokens):
        return Usage(model_calls=1, cost_usd=None)
    cached = getattr(usage.prompt_tokens_details, "cached_tokens", None)
    reasoning = getattr(usage.completion_tokens_details, "reasoning_tokens", None)
    return Usage(
        input_tokens=usage.prompt_tokens or 0,
        output_tokens=usage.completion_tokens or 0,
        cached_tokens=cached or 0,
        reasoning_tokens=reasoning or 0,
        model_calls=1,
        cost_usd=_cost_usd(litellm, model, response),
    )


def _cost_usd(litellm: Any, model: str, response: Any) -> float | None:
    try:
        cost = float(litellm.completion_cost(completion_response=response, model=model))
    except Exception:  # noqa: BLE001  # litellm raises several types for a model without a price
        return None
    return cost or None  # 0.0 is what it makes up for names that it half knows
