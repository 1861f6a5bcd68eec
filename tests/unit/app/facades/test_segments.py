"""Where one protocol's segments of a run begin and end."""

import pytest

from fakes.scenarios import BELOW, DOUBTS, PAYS, REFUSED, called_together
from fakes.telling import USAGE, Story
from fakes.watching import RUN_ID
from outlast.protocol import Run, RunStatus
from outlast_app.facades.ids import key_of
from outlast_app.facades.segments import RunLog, segment_after, segment_of


def log_of(story: Story, *, takes_approvals: bool = True) -> RunLog:
    log = RunLog(takes_approvals)
    for event in story.events:
        log.take(event)
    return log


def two_calls() -> Story:
    """Tell of two calls that a client runs, answered one by one."""
    story = Story().started().turn(1, "", "a", "b").requested("1.0", "a").requested("1.1", "b")
    story.waits().done("1.1", "b").waits().done("1.0", "a").turn(2, "done")
    return story.ends()


def test_one_segment() -> None:
    """A run that waits for nobody is one."""
    log = log_of(Story().started().turn(1, "Hi").ends())
    assert (log.segments, log.is_over, log.usage) == ([1], True, USAGE)
    assert log.ended
    assert log.ended.status == "completed"


def test_a_clients_calls() -> None:
    """A segment ends where a client is waited for, also after some of its answers."""
    story = two_calls()
    log = log_of(story)
    assert (log.segments, log.usage, log.open_calls) == ([1, 2, 3], USAGE, [])
    waits = [event for event in story.events if event.type == "run.waiting"]
    first = RunLog(takes_approvals=True)
    for event in story.events[: waits[0].seq]:
        first.take(event)
    assert first.is_over
    assert [call.call_id for call in first.open_calls] == ["1.0", "1.1"]


def test_which_segment_answers_begin() -> None:
    """The one after that which asked for all of it: a request that is repeated finds the same."""
    events = two_calls().events
    for answered, segment in ((["1.0", "1.1"], 2), (["1.1"], 2), (["1.0"], 3), (["2.0"], None)):
        assert segment_after(events, RunLog(takes_approvals=True), answered) == segment
    for answered, segment in ((["1.0", "1.1"], 2), (["1.1"], None), (["1.0"], 3)):
        log = RunLog(takes_approvals=True)
        assert segment_after(events, log, answered, exactly=True) == segment


def test_approvals() -> None:
    """They end a segment of those protocols whose clients can decide."""
    story = Story().started().turn(1, "", "pay").asked("1.0", "pay").waits()
    assert log_of(story).is_over
    assert [asked.call_id for asked in log_of(story).open_decisions] == ["1.0"]
    assert not log_of(story, takes_approvals=False).is_over
    story.decided("1.0", "approve").begun("1.0", "pay").done("1.0", "pay").turn(2, "paid").ends()
    assert log_of(story).segments == [1, 2]
    call = log_of(story).calls["1.0"]
    assert (call.started, call.resolved is not None, call.completed is not None) == (True,) * 3
    assert log_of(story, takes_approvals=False).segments == [1]


def test_approvals_of_called_runs() -> None:
    """They end a segment as own ones do, while they are waited for: their ids say what they are."""
    happened = called_together()
    log = RunLog(takes_approvals=True)
    asked: list[list[str]] = []
    for event in happened:
        assert not isinstance(event, tuple)
        log.take(event)
        if log.is_over and log.waiting:
            asked.append(log.decisions)
    pays, refused, below = (key_of(each.id, each.run_id) for each in (PAYS, REFUSED, BELOW))
    assert asked == [["1.1", pays, below], [pays, below], [refused, below], [below]]
    assert (log.segments, log.asked_below) == ([1, 2, 3, 4, 5], {pays, refused, below})
    events = [event for event in happened if not isinstance(event, tuple)]
    doubt = key_of(DOUBTS.id, DOUBTS.run_id)
    for answered, segment in (([pays], 3), ([pays, "1.1"], 2), ([below], 5), ([doubt], None)):
        assert segment_after(events, RunLog(takes_approvals=True), answered) == segment
    chat = RunLog(takes_approvals=False)
    for event in events:
        chat.take(event)
    assert chat.segments == [1]
    doubtful = log_of(Story().started().turn(1, "", "scout").waits("", DOUBTS))
    assert (doubtful.is_over, doubtful.decisions) == (False, [])


@pytest.mark.parametrize(
    ("status", "segment", "found"),
    [("waiting", 2, 1), ("running", 2, 2), ("waiting", 3, 1), ("running", 1, 1)],
)
def test_a_run_that_goes_on_without_a_word(status: RunStatus, segment: int, found: int) -> None:
    """One below it was decided on: the run itself says so, if it was read after the wait."""
    log = RunLog(takes_approvals=True)
    for event in Story().started().turn(1, "", "scout").waits("", PAYS).events:
        log.take(event)
    run = Run(run_id=RUN_ID, agent="tester", status=status, segment=segment)
    assert segment_of(run, log) == found


def test_waits_that_no_client_ends() -> None:
    """A signal, what a sub-agent asks for, a doubt, a limit: the segment goes on meanwhile."""
    story = Story().started().turn(1, "", "ship").begun("1.0", "ship").waits("signal")
    assert not log_of(story).is_over
    story.done("1.0", "ship").turn(2, "", "pay").asked("2.0", "pay", "in_doubt").waits()
    log = log_of(story)
    assert (log.is_over, log.open_decisions) == (False, [])
    assert log.waiting
    assert list(log.approvals) == ["2.0"]
    story.decided("2.0", "give_up").requested("2.1", "locate").waits()
    log = log_of(story)
    assert (log.is_over, log.segments) == (True, [1])
    assert segment_after(story.events, RunLog(takes_approvals=True), ["2.1"]) == 4
