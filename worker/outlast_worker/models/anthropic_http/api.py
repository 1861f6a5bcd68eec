"""The `ProviderApi` for providers that speak Anthropic's Messages."""

import re
from collections.abc import Iterable

from outlast.logging import get_logger
from outlast.providers import provider_of
from outlast_worker.engine.operations import ModelCall
from outlast_worker.models.answers import Answer
from outlast_worker.models.anthropic_http.address import headers, messages_url, speaks
from outlast_worker.models.anthropic_http.assembler import MessagesAssembler
from outlast_worker.models.anthropic_http.request import Asked, ask_for
from outlast_worker.models.faults import CallFailed, Symptoms
from outlast_worker.models.hearing import Hearing
from outlast_worker.models.http.exchange import HttpExchange, Request
from outlast_worker.models.http.writing import encode, host_of
from outlast_worker.models.keys import Access

_logger = get_logger()

# "The block is bound to a different conversation", "Invalid `signature` in `thinking` block",
# "Expected `thinking` or `redacted_thinking`, but found `tool_use`".
_REFUSED_THINKING = re.compile(r"`?(redacted_)?thinking`? .{0,40}block|`?signature`?.*thinking")
_KEPT_SEALS = 10_000


class AnthropicHttpApi:
    """Speaks to providers itself."""

    def __init__(self, idle_s: float) -> None:
        self._exchange = HttpExchange(idle_s)
        self._unreadable: dict[str, None] = {}
        """The seals of thinking that was refused: a set in the order of coming."""

    def serves(self, model: str, options: Iterable[str]) -> bool:
        """Serve all of Anthropic's, but with options that litellm alone understands."""
        return speaks(provider_of(model), options)

    def knows(self, provider: str) -> bool:  # noqa: ARG002  # the protocol's
        """Know whom it serves."""
        return True

    async def tells_cost(self, model: str) -> bool:  # noqa: ARG002  # the protocol's
        """Tell that no answer says it."""
        return False

    async def load(self) -> None:
        """Nothing takes long."""

    async def close(self) -> None:
        """Close the connections."""
        await self._exchange.close()

    async def ask(self, call: ModelCall, access: Access, hearing: Hearing) -> Answer:
        """Ask the provider once; a second time without what was thought, if that is refused.

        Later models read their thinking only where nothing before it has changed, and instructions,
        tools and what is left out of a conversation do change:
        https://platform.claude.com/docs/en/build-with-claude/preserved-thinking.

        Raises:
            CallFailed: With what was seen.
        """
        url = messages_url(access.base_url)
        asked = ask_for(call, host_of(url), self._unreadable)
        try:
            return await self._send(url, asked, call, access, hearing)
        except CallFailed as failed:
            if not (asked.seals and _is_about_thinking(failed.symptoms)):
                raise
            _logger.info("model_thinking_left_out", model=call.model, turn=call.turn)
        self._note_unreadable(asked.seals)
        asked = ask_for(call, host_of(url), self._unreadable)
        return await self._send(url, asked, call, access, hearing)

    async def _send(
        self, url: str, asked: Asked, call: ModelCall, access: Access, hearing: Hearing
    ) -> Answer:
        sent = headers(access, call.settings.extra_headers, asked.betas)
        request = Request(url, sent, encode(asked.body))
        return await self._exchange.ask(request, hearing, MessagesAssembler)

    def _note_unreadable(self, seals: Iterable[str]) -> None:
        self._unreadable |= dict.fromkeys(seals)
        while len(self._unreadable) > _KEPT_SEALS:
            del self._unreadable[next(iter(self._unreadable))]


def _is_about_thinking(symptoms: Symptoms) -> bool:
    return symptoms.status == 400 and _REFUSED_THINKING.search(symptoms.text) is not None
