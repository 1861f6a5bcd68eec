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
    heard_at = loop.time()
    silence = asyncio.timeout(None)

    def note_sound() -> None:
        # No more than that: it is called for each token, and moving a timer takes its time.
        nonlocal heard_at
        heard_at = loop.time()

    def check() -> None:
        nonlocal checking
        silent_at = heard_at + idle_s
        if silent_at <= loop.time():
            silence.reschedule(silent_at)
        else:
            checking = loop.call_at(silent_at, check)

    checking = loop.call_later(idle_s, check)
    try:
        async with silence:
            yield note_sound
    except TimeoutError as error:
        if not silence.expired():
            raise
        text = f"The model was silent for {idle_s:g} s."
        raise CallFailed(Symptoms(text, "timeout")) from error
    finally:
        checking.cancel()
