"""The `ProviderApi` for providers of OpenAI's format."""

from collections.abc import Iterable, Mapping
from functools import partial

from outlast.providers import provider_of
from outlast_worker.engine.operations import ModelCall
from outlast_worker.models.answers import Answer
from outlast_worker.models.faults import CallFailed, Symptoms
from outlast_worker.models.hearing import Hearing
from outlast_worker.models.http.exchange import HttpExchange, Request
from outlast_worker.models.http.writing import host_of
from outlast_worker.models.keys import Access, accesses
from outlast_worker.models.openai_http.assembler import Assembler
from outlast_worker.models.openai_http.providers import (
    PROVIDERS,
    chat_url,
    headers,
    needs_responses,
    no_address,
    responses_url,
    speaks,
    takes_schema,
)
from outlast_worker.models.openai_http.request import chat_body, model_name
from outlast_worker.models.openai_http.responses_assembler import ResponsesAssembler
from outlast_worker.models.openai_http.responses_request import responses_body
from outlast_worker.models.output_format import with_final_tool
from outlast_worker.settings import Provider


class OpenAiHttpApi:
    """Speaks to providers itself."""

    def __init__(self, providers: Mapping[str, Provider], idle_s: float) -> None:
        self._providers = providers
        self._exchange = HttpExchange(idle_s)

    def serves(self, model: str, options: Iterable[str]) -> bool:
        """Serve models whose wire it speaks, with a key or without one that is needed."""
        provider, _, name = model.partition("/")
        given = self._providers.get(provider, Provider())
        if not speaks(provider, name, options):
            return False
        # Logins that stand for a key are litellm's to make.
        return all(access.api_key for access in accesses(provider, given))

    def knows(self, provider: str) -> bool:  # noqa: ARG002  # the protocol's
        """Know whom it serves."""
        return True

    async def tells_cost(self, model: str) -> bool:
        """Tell whether the provider says it."""
        return PROVIDERS[provider_of(model)].tells_cost

    async def load(self) -> None:
        """Nothing takes long."""

    async def close(self) -> None:
        """Close the connections."""
        await self._exchange.close()

    async def ask(self, call: ModelCall, access: Access, hearing: Hearing) -> Answer:
        """Ask the provider once.

        Raises:
            CallFailed: With what was seen.
        """
        if not takes_schema(call.model, has_tools=bool(call.pin.tools)):
            call = with_final_tool(call)
        over_responses = needs_responses(provider_of(call.model), model_name(call), access.base_url)
        url = responses_url(access) if over_responses else _chat_url(call, access)
        request = Request(
            url,
            headers(provider_of(call.model), access, call.settings.extra_headers),
            (responses_body if over_responses else chat_body)(call, host_of(url)),
        )
        start = partial(ResponsesAssembler, call.model) if over_responses else Assembler
        return await self._exchange.ask(request, hearing, start)


def _chat_url(call: ModelCall, access: Access) -> str:
    """Return where a chat is asked for.

    Raises:
        CallFailed: Nobody has said where the provider is.
    """
    provider = provider_of(call.model)
    url = chat_url(provider, model_name(call), access)
    if url is None:
        raise CallFailed(Symptoms(no_address(provider), status=400))
    return url
