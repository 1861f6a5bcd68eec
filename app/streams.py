"""A run's committed events as server-sent events: from any number on, until the run has ended."""

import asyncio
from collections.abc import AsyncIterator

from fastapi.sse import format_sse_event

from app.closing import Closing
from app.ingress import Broken, Ingress, Unknown
from app.runs import RunReader, broken_run
from shared.errors import RestateUnavailable, UnknownRun, WorkerUnavailable
from shared.events import AnyEvent, terminal_event
from shared.protocol import Run

MEDIA_TYPE = "text/event-stream"
HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
PING_S = 15.0
_RECONNECT_MS = 1000
_POLL_S = (0.05, 0.5)


async def sse(events: AsyncIterator[AnyEvent], closing: Closing) -> AsyncIterator[bytes]:
    """Write events in the wire format, with a comment whenever nothing was sent for a while.

    The stream ends with the process, too: the client goes on at another one.
    """
    yield format_sse_event(retry=_RECONNECT_MS)
    pending = asyncio.ensure_future(anext(events, None))
    try:
        while True:
            try:
                async with closing.timeout(PING_S):
                    await asyncio.wait([pending])
            except TimeoutError:
                if closing.begun:
                    return
                yield format_sse_event(comment="ping")
                continue
            event = pending.result()
            if event is None:
                return
            yield format_sse_event(
                event=event.type, id=str(event.seq), data_str=event.model_dump_json()
            )
            pending = asyncio.ensure_future(anext(events, None))
    finally:
        pending.cancel()


async def follow(
    ingress: Ingress, reader: RunReader, tenant: str, run_id: str, after: int
) -> AsyncIterator[AnyEvent]:
    """Yield a run's committed events after a number, and end after the terminal one.

    The run's own state is the log, so this works before, during and after the run, at any app
    process. It is asked again and again while the run goes on, more slowly while nothing comes.
    """
    delay_s = _POLL_S[0]
    while True:
        try:
            page = await ingress.events(tenant, run_id, after)
        except (RestateUnavailable, WorkerUnavailable):
            await asyncio.sleep(_POLL_S[1])
            continue
        for event in page.events:
            yield event
            after = event.seq
        if page.run and page.run.ended:
            return
        delay_s = _POLL_S[0] if page.events else min(delay_s * 2, _POLL_S[1])
        if not page.events and (
            event := await _broken_off(ingress, reader, tenant, run_id, page.run, after)
        ):
            yield event
            return
        await asyncio.sleep(delay_s)


async def _broken_off(
    ingress: Ingress, reader: RunReader, tenant: str, run_id: str, run: Run | None, after: int
) -> AnyEvent | None:
    """Return the end of a run that was killed and so could not commit one itself."""
    try:
        outcome = await ingress.outcome(tenant, run_id)
        if isinstance(outcome, Unknown):
            await reader.read(tenant, run_id)  # its thread may not have seen it yet
    except (RestateUnavailable, WorkerUnavailable):
        return None
    except UnknownRun:
        outcome = Broken(killed=True, reason="purged")
    if not isinstance(outcome, Broken):
        return None
    return terminal_event(broken_run(run_id, run, outcome), after + 1)
