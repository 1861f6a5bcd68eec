"""Steps that take longer than servers and proxies like to wait."""

import pytest

from fakes.api import Api
from fakes.events import assert_events_are_whole
from fakes.stack import TestStack
from fakes.waiting import wait_until


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_step_of_eighty_seconds(api: Api, stack: TestStack) -> None:
    """No idle timeout between Restate and worker cuts it: it is executed once, and counts."""
    run = wait_until(
        lambda: run if (run := api.get(stack.long_run))["ended_at"] else None,
        "the run",
        deadline_s=120,
    )
    assert (run["status"], run["output"]) == ("completed", "that took a while")
    assert run["messages"][2]["content"] == "waited 80 s"
    assert stack.executions(run["run_id"]).count("tool pause") == 1
    assert_events_are_whole(api.events(run["run_id"]), run)
