"""Steering: what somebody says to a run that goes on. Each message is heard once, in order."""

from typing import Any, TypeVar

from outlast.contract import SteeringMessage
from outlast_worker.engine.steps import Pending, Steps

T = TypeVar("T")


class Inbox:
    """Numbered messages, of which the run awaits the next one in every wait."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._index = 0
        self._next = steps.expect_message(0)
        self._heard: list[SteeringMessage] = []
        self._closed = False

    async def wait(self, *wanted: Pending[Any]) -> list[Pending[Any]]:
        """Wait until some of these are done, and hear messages meanwhile."""
        while True:
            done = await self._steps.wait_for_any([*wanted, self._next])
            following = self._next
            if following in done:
                self._hear(await self._steps.result_of(following))
            if found := [pending for pending in done if pending is not following]:
                return found

    async def result_of(self, wanted: Pending[T]) -> T:
        """Wait for one alone, and return what came of it."""
        await self.wait(wanted)
        return await self._steps.result_of(wanted)

    async def take(self) -> list[SteeringMessage]:
        """Return what was heard since the last time; if anything was, look for more."""
        while self._heard and (message := await self._steps.next_message(self._index)):
            self._hear(message)
        heard, self._heard = self._heard, []
        return heard

    async def close(self) -> bool:
        """Take no more messages. False if there is one to be taken first."""
        if self._closed:
            return True
        if not self._heard:
            message = await self._steps.close_inbox(self._index)
            self._closed = message is None
            self._hear(message)
        return self._closed

    def _hear(self, message: SteeringMessage | None) -> None:
        if message is None:
            return
        self._heard.append(message)
        self._index += 1
        self._next = self._steps.expect_message(self._index)
