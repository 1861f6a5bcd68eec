"""The trace that a run belongs to: W3C trace context, whether or not anybody records it.

It takes no library and no state: what is not the caller's is derived, so that every process, also
one that is started again, knows the same ids.
"""

import re
from collections.abc import Mapping
from typing import Self

from outlast.names import RunRef, digest_of
from outlast.protocol import Wire

# Version 00, or a later one, which may have more at its end.
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(-[!-~]{0,200})?"
)
_TRACESTATE = re.compile(r"[ -~\t]{1,512}")
_SAMPLED = "01"


class Trace(Wire):
    """Of which span somebody asked for something: the headers `traceparent` and `tracestate`."""

    traceparent: str
    tracestate: str | None = None

    @classmethod
    def read(cls, traceparent: str, tracestate: str = "") -> Self | None:
        """Read what a caller sends; None if it is no trace that anybody could go on with."""
        if not _TRACEPARENT.fullmatch(traceparent):
            return None
        kept = tracestate if _TRACESTATE.fullmatch(tracestate) else None
        return cls(traceparent=traceparent, tracestate=kept)

    @property
    def trace_id(self) -> str:
        """The trace's id: 32 hex digits."""
        return self.traceparent.split("-")[1]

    @property
    def flags(self) -> str:
        """Whether it is recorded: two hex digits."""
        return self.traceparent.split("-")[3]

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that say it."""
        state = {"tracestate": self.tracestate} if self.tracestate else {}
        return {"traceparent": self.traceparent, **state}


def trace_id_of(run: RunRef, caller: Trace | None) -> str:
    """Return the id of a run's trace: that of who asked for the run, else one of its own."""
    return caller.trace_id if caller else digest_of("trace", run.tenant, run.run_id)[:16].hex()


def trace_of(run: RunRef, caller: Trace | None) -> Trace:
    """Return the context in which a run is executed: its own span, below the caller's."""
    span_id = digest_of(run.tenant, run.run_id)[:8].hex()
    flags = caller.flags if caller else _SAMPLED
    return Trace(
        traceparent=f"00-{trace_id_of(run, caller)}-{span_id}-{flags}",
        tracestate=caller and caller.tracestate,
    )
