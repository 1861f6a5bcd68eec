"""Answers many who ask at once with one query: each reads a whole table of Restate's."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

from outlast.errors import AdminUnavailable

K = TypeVar("K")
V = TypeVar("V")

_MOST = 500


class Together(Generic[K, V]):
    """Looks things up; what is asked for while a query is under way goes into the next one."""

    def __init__(self, query: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._query = query
        self._asked: dict[K, asyncio.Future[V | None]] = {}
        self._asking: asyncio.Task[None] | None = None

    async def of(self, key: K) -> V | None:
        """Look one up; None if it is not there.

        Raises:
            AdminUnavailable: The query failed.
        """
        if key not in self._asked:
            self._asked[key] = asyncio.get_running_loop().create_future()
        answer = self._asked[key]
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        return await asyncio.shield(answer)  # others may wait for it, too

    async def _ask(self) -> None:
        while keys := list(self._asked)[:_MOST]:
            answers = {key: self._asked.pop(key) for key in keys}
            try:
                found = await self._query(keys)
            except AdminUnavailable as error:
                for answer in answers.values():
                    answer.set_exception(error)
                    answer.exception()  # who asked may have gone
            else:
                for key, answer in answers.items():
                    answer.set_result(found.get(key))
