"""Models through litellm: the only module that imports it.

litellm takes seconds to import, so it is loaded in the background once the worker serves. It
never retries here (Restate does, durably), and what it returns becomes a record of our own.
"""

import asyncio
import functools
import json
import os
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from outlast.logging import get_logger
from outlast.protocol import RunError, Time, Usage
from outlast_worker.engine.operations import ModelCall
from outlast_worker.engine.records import (
    ModelFault,
    ModelOutcome,
    ModelRecord,
    Opaque,
    RequestedCall,
)
from outlast_worker.live.hub import LiveAnswer
from outlast_worker.models.chat_format import provider_of, wire_messages, wire_tools
from outlast_worker.models.faults import Fault, classify, malformed
from outlast_worker.settings import Provider, ProviderKey
from outlast_worker.text import repair_surrogates

_logger = get_logger()

# What only the provider understands, by litellm's names.
_OPAQUE_FIELDS = ("reasoning_content", "thinking_blocks", "provider_specific_fields")
# litellm hides whether their streams ended or broke off, so they are not streamed.
_UNVERIFIABLE_STREAMS = ("gemini", "vertex_ai", "vertex_ai_beta")
# litellm drops streamed calls without an id, which some servers don't give.
_NO_ID = "no id"
# After these the last call may be cut short, so none of them counts.
_CUT_SHORT = ("length", "content_filter")


_SHOWN_CHARS = 500
_SECRET = re.compile(r"_(KEY|TOKEN|SECRET|PASSWORD)$")
_SHORTEST_SECRET = 8


class MalformedAnswer(Exception):
    """The provider's answer is not whole, or can't be read."""


@functools.cache
def load_litellm() -> Any:
    """Import litellm, offline: without this setting it fetches a price list at import."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm

    litellm.suppress_debug_info = True
    litellm.disable_token_counter = True
    return litellm


class LitellmClient:
    """The `ModelClient` for every provider that litellm knows."""

    def __init__(self, providers: Mapping[str, Provider], timeout_s: float) -> None:
        self._providers = providers
        self._timeout_s = timeout_s

    async def complete(self, call: ModelCall, preview: Callable[[], LiveAnswer]) -> ModelOutcome:
        """Call the model once, with each of the provider's keys if need be."""
        started_at = datetime.now(UTC)
        if not load_litellm.cache_info().currsize:
            await asyncio.to_thread(load_litellm)
        litellm = load_litellm()
        provider = self._providers.get(provider_of(call.pin.model), Provider())
        if missing := _missing_variables(litellm, call.pin.model, provider):
            return _no_key(call.pin.model, missing, started_at)
        faults: list[Fault] = []
        # One time for all keys: no step may take longer than Restate waits for it.
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        for key in _in_random_order(provider.keys) or [None]:
            try:
                async with asyncio.timeout_at(deadline):
                    return await self._attempt(litellm, call, provider, key, started_at, preview)
            except MalformedAnswer as error:
                faults.append(malformed(str(error), call.malformed))
            except Exception as error:  # noqa: BLE001  # litellm raises bare ValueErrors too; all are classified
                faults.append(classify(error, call.attempt, call.malformed))
            self._log(call, faults[-1], key)
            if not faults[-1].key_bound:
                break
        return self._fault(call, faults, started_at)

    async def _attempt(
        self,
        litellm: Any,
        call: ModelCall,
        provider: Provider,
        key: ProviderKey | None,
        started_at: Time,
        preview: Callable[[], LiveAnswer],
    ) -> ModelRecord:
        options: dict[str, Any] = {**call.pin.model_options}
        if call.pin.tools:
            options["tools"] = wire_tools(call.pin)
        stream = call.stream and provider_of(call.pin.model) not in _UNVERIFIABLE_STREAMS
        if stream:
            options |= {"stream": True, "stream_options": {"include_usage": True}}
        if provider.base_url:
            # Servers of one's own often take no key, but litellm insists on some text.
            options |= {"api_base": provider.base_url, "api_key": "none"}
        if key:
            options["api_key"] = key.key.get_secret_value()
        if provider.headers:
            headers = provider.headers.items()
            options["extra_headers"] = {name: value.get_secret_value() for name, value in headers}
        shown = preview() if stream else None
        response = await litellm.acompletion(
            model=call.pin.model,
            messages=wire_messages(call.pin, call.messages),
            timeout=self._timeout_s,
            num_retries=0,
            max_retries=0,
            **options,
        )
        if shown:
            response = await _collect(litellm, response, shown)
        return _record(litellm, call, response, started_at)

    def _fault(self, call: ModelCall, faults: Sequence[Fault], started_at: Time) -> ModelFault:
        # With one key at its limit and another one refused, waiting still helps.
        fault = next((fault for fault in faults if fault.retry_after_s is not None), faults[-1])
        error = fault.error
        if error.type == "model-auth":
            error = _auth_error(call.pin.model)
        return ModelFault(
            error=error.model_copy(update={"message": self._shown(error.message)}),
            retry_after_s=fault.retry_after_s,
            started_at=started_at,
            ended_at=datetime.now(UTC),
        )

    def _shown(self, text: str) -> str:
        """Return what clients may see of what a provider says: it may quote keys."""
        text = _mended(text)
        for secret in self._secrets():
            text = text.replace(secret, "***")
        return text[:_SHOWN_CHARS]

    def _secrets(self) -> set[str]:
        found: set[str] = set()
        for provider in self._providers.values():
            found |= {key.key.get_secret_value() for key in provider.keys}
            for header in provider.headers.values():
                value = header.get_secret_value()
                found |= {value, *_guessed(value.split()[-1:])}  # `Bearer …`
        found |= _guessed(value for name, value in os.environ.items() if _SECRET.search(name))
        return found - {""}

    def _log(self, call: ModelCall, fault: Fault, key: ProviderKey | None) -> None:
        _logger.warning(
            "model_call_failed",
            model=call.pin.model,
            turn=call.turn,
            attempt=call.attempt,
            key=key.name if key else None,
            error=fault.error.type,
            retry_after_s=fault.retry_after_s,
        )


async def _collect(litellm: Any, stream: Any, shown: LiveAnswer) -> Any:
    """Read a stream to its end, show it as it comes, and build the whole answer of it.

    Raises:
        MalformedAnswer: It ended without the provider's final event. litellm itself then claims
            that the model stopped.
    """
    chunks: list[Any] = []
    try:
        async for chunk in stream:
            chunks.append(chunk)
            for choice in chunk.choices:
                shown.add("reasoning", getattr(choice.delta, "reasoning_content", None) or "")
                shown.add("text", choice.delta.content or "")
    finally:
        shown.end()
    if not stream.received_finish_reason:
        raise MalformedAnswer("The model's stream broke off before its end.")
    for choice in (choice for chunk in chunks for choice in chunk.choices):
        pieces: list[Any] = choice.delta.tool_calls or []
        for piece in pieces:
            if piece.function.name and not piece.id:
                piece.id = _NO_ID
    return litellm.stream_chunk_builder(chunks)


def _record(litellm: Any, call: ModelCall, response: Any, started_at: Time) -> ModelRecord:
    """Make our own record of an answer.

    Raises:
        MalformedAnswer: It has no choice or no finish reason, or its tool calls are cut.
    """
    if not response or not response.choices:
        raise MalformedAnswer("The model's answer has no choice.")
    choice = response.choices[0]
    text = _mended(choice.message.content or "")
    finish_reason = _mended(str(choice.finish_reason or ""))
    if not finish_reason:
        raise MalformedAnswer("The model's answer has no finish reason.")
    raw_calls: list[Any] = list(choice.message.tool_calls or [])
    calls = [
        RequestedCall(
            name=_mended(raw.function.name or ""), arguments=_mended(raw.function.arguments or "")
        )
        for raw in raw_calls
    ]
    if finish_reason == "tool_calls" and not (calls or text):
        raise MalformedAnswer("The model's answer asks for tools and names none.")
    if finish_reason in _CUT_SHORT:
        raw_calls, calls = [], []
    elif finish_reason == "stop" and not all(_is_json(requested.arguments) for requested in calls):
        raise MalformedAnswer("The model's answer breaks off in a tool call's arguments.")
    return ModelRecord(
        text=text,
        calls=calls,
        finish_reason=finish_reason,
        usage=_usage(litellm, call.pin.model, response),
        model=_mended(str(response.model or call.pin.model)),
        started_at=started_at,
        ended_at=datetime.now(UTC),
        opaque=_opaque(call.pin.model, choice.message, raw_calls),
    )


def _opaque(model: str, message: Any, raw_calls: Iterable[Any]) -> Opaque | None:
    """Keep what must go back to the provider: reasoning, signatures, its own call ids."""
    said = _mended(message.model_dump(exclude_none=True))
    fields = {name: kept for name in _OPAQUE_FIELDS if (kept := _filled(said.get(name)))}
    calls: list[dict[str, Any]] = [
        _mended(call.model_dump(exclude_none=True)) for call in raw_calls
    ]
    if not fields and not calls:
        return None
    return Opaque(
        provider=provider_of(model),
        fields=fields,
        call_ids=[None if call.get("id") == _NO_ID else call.get("id") for call in calls],
        call_fields=[
            {"provider_specific_fields": kept}
            if (kept := _filled(call.get("provider_specific_fields")))
            else {}
            for call in calls
        ],
    )


def _filled(value: Any) -> Any:
    """Drop what litellm only mentions, such as `{"refusal": None}`."""
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {name: item for name, item in items if item is not None}
    return value


def _mended(value: Any) -> Any:
    """Mend all texts in a value."""
    match value:
        case str():
            return repair_surrogates(value)
        case dict():
            items = cast("dict[str, Any]", value).items()
            return {_mended(name): _mended(item) for name, item in items}
        case list():
            return [_mended(item) for item in cast("list[Any]", value)]
        case _:
            return value


def _usage(litellm: Any, model: str, response: Any) -> Usage:
    usage = getattr(response, "usage", None)
    if usage is None:
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
        return float(litellm.completion_cost(completion_response=response, model=model))
    except Exception:  # noqa: BLE001  # litellm raises several types for a model without a price
        return None


def _is_json(text: str) -> bool:
    try:
        json.loads(text or "{}")
    except ValueError:
        return False
    return True


def _in_random_order(keys: Sequence[ProviderKey]) -> list[ProviderKey]:
    """Shuffle keys so that the heavier ones tend to come first."""
    # An exponential variate with the weight as its rate: the smallest is drawn by weight.
    return sorted(keys, key=lambda key: random.expovariate(key.weight))


def _missing_variables(litellm: Any, model: str, provider: Provider) -> list[str]:
    """Return the environment variables that would have to be set to call this model."""
    if provider.keys or provider.base_url:
        return []
    found = litellm.validate_environment(model)
    return [] if found["keys_in_environment"] else list(found["missing_keys"])


def _guessed(values: Iterable[str]) -> set[str]:
    """Return what may be a secret; a short word may be anything."""
    return {value for value in values if len(value) >= _SHORTEST_SECRET}


def _no_key(model: str, missing: Sequence[str], started_at: Time) -> ModelFault:
    return ModelFault(
        error=RunError(
            type="model-auth",
            message=f"There is no API key for {model}. Set {' or '.join(missing)}, or keys in "
            "WORKER_PROVIDERS, for the worker, and restart it.",
            retryable=False,
        ),
        retry_after_s=None,
        started_at=started_at,
        ended_at=datetime.now(UTC),
    )


def _auth_error(model: str) -> RunError:
    """Return our own words: a provider's may quote the key."""
    provider = provider_of(model)
    return RunError(
        type="model-auth",
        message=f"The provider {provider} refused the API key for {model}. Check "
        f"{provider.upper()}_API_KEY, or the keys of {provider!r} in WORKER_PROVIDERS, for the "
        "worker, and restart it.",
        retryable=False,
    )
