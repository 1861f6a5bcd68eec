"""A run's trace: the caller's, else one of its own, which every process knows alike."""

import re

from outlast.names import RunRef
from outlast.trace import Trace, trace_id_of, trace_of

RUN = RunRef("acme", f"support.{'a' * 26}")
CALLER = Trace(traceparent=f"00-{'a' * 32}-{'b' * 16}-00", tracestate="dd=s:2")


def test_a_run_in_its_callers_trace() -> None:
    """A run has a span of its own in the caller's trace, recorded if that is."""
    context = trace_of(RUN, CALLER)
    version, trace_id, span_id, flags = context.traceparent.split("-")
    assert (version, trace_id, flags) == ("00", "a" * 32, "00")
    assert span_id != "b" * 16
    assert context.headers["tracestate"] == "dd=s:2"


def test_a_run_in_a_trace_of_its_own() -> None:
    """Without a caller's the ids follow from the run alone, and differ from run to run."""
    context = trace_of(RUN, None)
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", context.traceparent)
    assert "tracestate" not in context.headers
    assert trace_of(RUN, None) == context
    assert trace_id_of(RUN, None) == context.trace_id
    others = [RunRef("other", RUN.run_id), RunRef("acme", f"support.{'b' * 26}")]
    assert len({trace_of(ref, None).traceparent for ref in (RUN, *others)}) == 3
    assert len({trace_id_of(ref, None) for ref in (RUN, *others)}) == 3


def test_a_later_version() -> None:
    """A caller may speak a later version of the format; what we send is of ours."""
    caller = Trace.read(f"01-{'a' * 32}-{'b' * 16}-01-more")
    assert trace_of(RUN, caller).traceparent.startswith(f"00-{'a' * 32}-")
    assert trace_of(RUN, caller).traceparent.endswith("-01")
