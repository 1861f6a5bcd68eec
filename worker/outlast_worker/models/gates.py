"""Lets a call through to its provider once the key has room for it."""

import asyncio
import random
from collections.abc import Mapping

from outlast.logging import get_logger
from outlast.protocol import Content, TextPart
from outlast.providers import provider_of
from outlast_worker.engine.operations import ModelCall
from outlast_worker.models.faults import CallFailed, Symptoms
from outlast_worker.models.keys import Access
from outlast_worker.models.rate_limits import RateLimits

# A longer wait is the run's, which leaves the worker meanwhile and can be cancelled.
_WAITED_HERE_S = 3.0
_CHARS_PER_TOKEN = 4
_logger = get_logger()


class Gate:
    """One way to a provider, with one key, for one call.

    Attributes:
        wait_s: For how long the key has no room.
    """

    def __init__(self, limits: RateLimits | None, call: ModelCall, access: Access) -> None:
        self.access = access
        self._limits = limits
        self._call = call
        self._key = (call.model, access.base_url, access.api_key)
        self.wait_s = limits.wait_s(self._key, self._tokens) if limits else 0.0

    async def pass_through(self) -> None:
        """Wait for a moment if need be.

        Raises:
            CallFailed: The key has no room for longer.
        """
        if not self.wait_s:
            return
        # Whoever waits for the same would come at once.
        wait_s = round(self.wait_s * random.uniform(1, 1.2), 3)  # noqa: S311  # jitter, not a secret
        _logger.info(
            "model_call_held_back", model=self._call.model, key=self.access.key_name, for_s=wait_s
        )
        if wait_s > _WAITED_HERE_S:
            provider = provider_of(self._call.model)
            text = f"The rate limit at {provider} is used up for {wait_s:.0f} s more."
            raise CallFailed(Symptoms(text, status=429, retry_after_s=wait_s, is_foretold=True))
        await asyncio.sleep(wait_s)

    def note_headers(self, headers: Mapping[str, str]) -> None:
        """Take what the provider says of the key."""
        if self._limits:
            self._limits.note_headers(self._key, headers)

    def note(self, symptoms: Symptoms) -> None:
        """Take that the key was refused for its limit, if it was."""
        is_refused = symptoms.status == 429 and not symptoms.is_foretold
        if self._limits and is_refused and symptoms.retry_after_s:
            self._limits.note_refusal(self._key, symptoms.retry_after_s)

    def _tokens(self) -> int:
        """Estimate what the call reads; images count as little as their description would."""
        pin = self._call.pin
        said = [str(tool.parameters) + tool.description for tool in pin.tools]
        said += [text for message in self._call.messages for text in _texts(message.content)]
        return (len(pin.instructions) + sum(map(len, said))) // _CHARS_PER_TOKEN


def _texts(content: Content) -> list[str]:
    if isinstance(content, str):
        return [content]
    return [part.text for part in content if isinstance(part, TextPart)]
