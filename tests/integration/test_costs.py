"""What runs cost, in figures that no machine's noise can change: requests, and what is journaled.

They are recorded in `tests/fixtures/costs.json`. After a change that is meant: `RECORD_COSTS=1`.
"""

import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from fakes.api import Api
from fakes.counting_proxy import CountingProxy
from fakes.model_server import ScriptedModel
from fakes.repository import ROOT
from fakes.script import Gate, call, calls, text
from fakes.stack import TestStack

_RECORDED = ROOT / "tests" / "fixtures" / "costs.json"
# Of bytes: numbers are written in as many digits as they need.
_TOLERANCE = 0.03


# The stack that replays after each step costs what it costs.
pytestmark = pytest.mark.usual_mode


def recorded(part: str, now: dict[str, int]) -> dict[str, int]:
    """Return what was recorded; write it down first if that is asked for."""
    costs = json.loads(_RECORDED.read_text()) if _RECORDED.exists() else {}
    if os.environ.get("RECORD_COSTS"):
        costs[part] = now
        _RECORDED.write_text(json.dumps(costs, indent=1, sort_keys=True) + "\n")
    return costs.get(part, {})


# Requests to Restate.


def run_plain(api: Api, model: ScriptedModel, key: str) -> None:
    model.script(key, [call("note", text=key), text("ok")])
    api.run("tester", key)


def run_on_a_thread(api: Api, model: ScriptedModel, key: str) -> None:
    model.script(key, [call("note", text=key), text("ok")])
    api.run("tester", key, thread_id=key.replace(" ", "-"))


def run_with_an_approval(api: Api, model: ScriptedModel, key: str) -> None:
    model.script(key, [call("pay", cents=1), text("ok")])
    asked = api.post("tester", key)
    assert asked.status_code == 202, asked.text
    run_id = asked.json()["run_id"]
    assert api.decide(run_id, "1.0", "approve").status_code == 200
    assert api.result(run_id)["output"] == "ok"


def run_as_a_stream(api: Api, model: ScriptedModel, key: str) -> None:
    model.script(key, [call("note", text=key), text("ok")])
    answer = api.post("tester", key, {"Accept": "text/event-stream"})
    assert "run.completed" in answer.text


Run = Callable[[Api, ScriptedModel, str], None]
LOOKS_MORE: dict[Run, int] = {
    run_plain: 1,
    run_on_a_thread: 1,
    run_with_an_approval: 4,
    run_as_a_stream: 4,
}


@pytest.mark.parametrize("run", LOOKS_MORE)
def test_requests(
    counted: tuple[str, CountingProxy],
    model: ScriptedModel,
    key: str,
    run: Run,
) -> None:
    """A run asks for no more of Restate than it did."""
    app_url, proxy = counted
    proxy.counts.clear()  # those of the app's own start
    with Api(app_url) as api:
        run(api, model, key)
    counts = dict(proxy.counts)
    most = recorded(f"requests, {run.__name__}", counts)
    # How often the app looks depends a little on when it looks.
    assert sum(counts.values()) <= sum(most.values()) + LOOKS_MORE[run], (counts, most)


# The journal.

LONG = "x" * 2000
SCRIPTS: dict[str, list[Any]] = {
    "no tool": [],
    "a tool": [call("note", text="a")],
    "two tools at once": [calls(call("note", text="a"), call("note", text="b"))],
    "ten turns": [call("note", text=str(index)) for index in range(10)],
    "long results": [call("note", text=LONG)],
}


@pytest.mark.parametrize("scenario", SCRIPTS)
def test_journal(api: Api, stack: TestStack, model: ScriptedModel, key: str, scenario: str) -> None:
    """A run writes down no more than it did, in entries and in bytes."""
    gate, script = Gate(), SCRIPTS[scenario]
    model.script(key, [*script, text("ok", gate=gate)])
    run_id = api.start("tester", key)
    model.wait_for(key, turn=len(script) + 1)
    invocation = stack.invocation_id(run_id)
    [written] = stack.query(
        "SELECT count(*) AS entries, sum(raw_length) AS bytes FROM sys_journal"
        f" WHERE id = '{invocation}'"
    )
    [kept] = stack.query(
        "SELECT count(*) AS entries, sum(length(value_utf8)) AS bytes FROM state"
        f" WHERE service_key = 'default/{run_id}'"
    )
    gate.open()
    api.result(run_id)
    costs = {f"journal {name}": count for name, count in written.items()}
    costs |= {f"state {name}": count for name, count in kept.items()}
    most = recorded(f"journal, {scenario}", costs)
    for name, count in costs.items():
        allowed = most[name] * (1 + _TOLERANCE if name.endswith("bytes") else 1)
        assert count <= allowed, (name, costs, most)
