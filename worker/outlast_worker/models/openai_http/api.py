"""The `ProviderApi` for providers of OpenAI's format."""

from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urlsplit

import aiohttp

from outlast.providers import provider_of
from outlast_worker.engine.operations import ModelCall
from outlast_worker.models.answers import Answer
from outlast_worker.models.error_bodies import read_error
from outlast_worker.models.faults import CallFailed, Symptoms, retry_after_s
from outlast_worker.models.hearing import Hearing
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
from outlast_worker.models.openai_http.sse import EventReader
from outlast_worker.models.openai_http.transport import (
    Transport,
    count_bytes,
    let_end,
    not_an_address,
    read_error_text,
)
from outlast_worker.models.output_format import with_final_tool
from outlast_worker.models.silence import noticing_silence
from outlast_worker.settings import Provider

_BOM = b"\xef\xbb\xbf"
# How the body of an answer begins that is no stream, whatever its headers say.
_NO_EVENT = (b"{", b"[", b'"', b"<")


class OpenAiHttpApi:
    """Speaks to providers itself."""

    def __init__(self, providers: Mapping[str, Provider], idle_s: float) -> None:
        self._providers = providers
        self._idle_s = idle_s
        self._transport = Transport()

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
        await self._transport.close()

    async def ask(self, call: ModelCall, access: Access, hearing: Hearing) -> Answer:
        """Ask the provider once.

        Raises:
            CallFailed: With what was seen.
        """
        if not takes_schema(call.model, has_tools=bool(call.pin.tools)):
            call = with_final_tool(call)
        over_responses = needs_responses(provider_of(call.model), model_name(call), access.base_url)
        url = responses_url(access) if over_responses else _chat_url(call, access)
        body = (responses_body if over_responses else chat_body)(call, _host(url))
        sent = headers(provider_of(call.model), access, call.settings.extra_headers)
        shown = hearing.begin()
        assembler = ResponsesAssembler(call.model, shown) if over_responses else Assembler(shown)
        try:
            async with (
                noticing_silence(self._idle_s) as heard,
                self._transport.post(url, sent, body) as response,
            ):
                hearing.headers(response.headers)
                await _check(response)
                await _read(response, assembler, heard)
        except CallFailed as failed:
            # What comes after the reason of its end is not part of the answer.
            if not (assembler.has_ended and failed.symptoms.sign in ("disconnected", "timeout")):
                raise
        finally:
            shown.end()
        return assembler.answer()


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


def _host(url: str) -> str | None:
    """Return where a request goes.

    Raises:
        CallFailed: It can go nowhere.
    """
    try:
        return urlsplit(url).hostname
    except ValueError as error:
        raise not_an_address(url) from error


async def _check(response: aiohttp.ClientResponse) -> None:
    """Refuse an answer that says itself that it is none.

    Raises:
        CallFailed: With the provider's words.
    """
    status = response.status
    if status < 300:
        return
    if status < 400:
        to = response.headers.get("location", "elsewhere")
        text = f"The provider redirects to {to}; set base_url in WORKER_PROVIDERS to its address."
        raise CallFailed(Symptoms(text, status=400))
    error = read_error(await read_error_text(response))
    raise CallFailed(error.symptoms(status, retry_after_s(response.headers)))


async def _read(
    response: aiohttp.ClientResponse,
    assembler: Assembler | ResponsesAssembler,
    heard: Callable[[], None],
) -> None:
    """Read an answer: events as they come, or a whole body; its first bytes tell which.

    Raises:
        CallFailed: It is an error, too large, or can't be read.
    """
    reader, size = EventReader(), 0
    head: bytes | None = b""
    whole: list[bytes] = []
    async for data in response.content.iter_any():
        heard()
        size = count_bytes(size, data)
        if whole:
            whole.append(data)
            continue
        if head is not None:
            head = (head + data).removeprefix(_BOM).lstrip()
            if _BOM.startswith(head):  # nothing to tell by yet
                continue
            if head.startswith(_NO_EVENT):
                whole.append(head)
                continue
            data, head = head, None  # noqa: PLW2901  # the head is what is to be read
        for event in reader.feed(data):
            if not assembler.add_event(event):
                return await let_end(response)
    if whole or head is not None:
        return assembler.add_body(b"".join(whole))
    for event in reader.end():
        assembler.add_event(event)
    return None
