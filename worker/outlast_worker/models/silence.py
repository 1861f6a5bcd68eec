"""Notices a provider that says nothing any more."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from outlast_worker.models.faults import CallFailed, Symptoms


@asynccontextmanager
async def noticing_silence(idle_s: float) -> AsyncGenerator[Callable[[], None]]:
    """Give a streamed call up once nothing was heard for so long, its first word included.

    Yields:
        What to call whenever something was heard.

    Raises:
        CallFailed: The provider was silent.
    """
    loop = asyncio.get_running_loop()
    silence = asyncio.timeout(idle_s)
    try:
        async with silence:
            yield lambda: silence.reschedule(loop.time() + idle_s)
    except TimeoutError as error:
        if not silence.expired():
            raise
        text = f"The model was silent for {idle_s:g} s."
        raise CallFailed(Symptoms(text, "timeout")) from error
