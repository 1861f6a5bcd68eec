"""Restate gives a partition so many places at the worker: runs that wait hold none."""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.script import call, text
from fakes.stack import TestStack
from fakes.waiting import wait_until
from outlast_local.restate.server import RestateServer

_PLACES = 3
_RUNS = 24
_AT_ONCE_S = 2.0


class _NarrowStack(TestStack):
    """A stack whose Restate has hardly any places."""

    def _restate(self, node_modules: Path, patience: Mapping[str, str]) -> RestateServer:
        narrow = {
            "RESTATE_DEFAULT_NUM_PARTITIONS": "1",
            "RESTATE_WORKER__INVOKER__CONCURRENT_INVOCATIONS_LIMIT": str(_PLACES),
        }
        return super()._restate(node_modules, {**patience, **narrow})


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, model: ScriptedModel) -> Iterator[TestStack]:
    """A stack with few places, as others of its settings are by default."""
    directory = tmp_path_factory.mktemp("places")
    with _NarrowStack(directory, model, {"WORKER_SUSPEND_AFTER_S": "0.1"}) as running:
        yield running


@pytest.fixture(scope="module")
def api(stack: TestStack) -> Iterator[Api]:
    """A client of the stack's app."""
    with Api(stack.app_url) as client:
        yield client


def test_many_runs_with_few_places(api: Api, model: ScriptedModel, key: str) -> None:
    """Far more runs than places, on threads and off, all come to their end."""
    for index in range(_RUNS):
        model.script(f"{key} {index};", [call("note", text=f"{index}"), text(f"answer {index}")])
    threads = [None, *(f"{key}-{name}".replace(" ", "-") for name in "abc")]
    answers = [
        api.run_in_background("tester", f"{key} {index};", thread_id=threads[index % len(threads)])
        for index in range(_RUNS)
    ]
    ended = [answer.result(timeout=60).json() for answer in answers]
    assert [run["output"] for run in ended] == [f"answer {index}" for index in range(_RUNS)]


def test_callers_hold_no_places(api: Api, model: ScriptedModel, key: str) -> None:
    """Far more runs that wait for others than places, two deep, all come to their end."""
    for index in range(_RUNS):
        lead, child = f"{key} lead {index};", f"{key} child {index};"
        model.script(f"{key} chief {index};", [call("lead", input=lead), text(f"top {index}")])
        model.script(lead, [call("ask", input=child), text("middle")])
        model.script(child, [call("note", text=f"{index}"), text("bottom")])
    answers = [api.run_in_background("chief", f"{key} chief {index};") for index in range(_RUNS)]
    ended = [answer.result(timeout=60).json() for answer in answers]
    assert [run["output"] for run in ended] == [f"top {index}" for index in range(_RUNS)]


def test_people_are_heard_while_a_place_is_free(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """Decisions and cancellations take effect at once, however many runs wait."""
    for index in range(_RUNS):
        model.script(f"{key} {index};", [call("pay", cents=index), text("paid")])
    waiting = [api.start("tester", f"{key} {index};") for index in range(_RUNS)]
    for run_id in waiting:
        api.wait_for_approval(run_id)
    busy = _hold(api, stack, model, key, _PLACES - 1)
    began = time.monotonic()
    assert api.decide(waiting[0], "1.0", "approve").status_code == 200
    assert api.result(waiting[0])["output"] == "paid"
    assert time.monotonic() - began < _AT_ONCE_S
    for run_id in (waiting[1], busy[0]):
        began = time.monotonic()
        assert api.cancel(run_id).status_code == 202
        assert api.wait_for_status(run_id, "cancelled")
        assert time.monotonic() - began < _AT_ONCE_S
    stack.open_gate(key)
    assert api.result(busy[1])["output"] == "held"


def test_without_a_free_place_people_are_heard_when_there_is_one(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """While steps hold all places what people say is accepted, and counts when one is free."""
    model.script(f"{key} cancelled", [call("pay", cents=1), text("paid")])
    model.script(f"{key} hurry", [text("all right")])
    model.script(f"{key} approved", [call("pay", cents=2), text("paid")])
    cancelled, approved = (
        api.start("tester", f"{key} {name}") for name in ("cancelled", "approved")
    )
    for run_id in (cancelled, approved):
        api.wait_for_approval(run_id)
    busy = _hold(api, stack, model, key, _PLACES)
    assert api.cancel(cancelled).status_code == 202
    with ThreadPoolExecutor(5) as pool:
        decided = [pool.submit(api.decide, approved, "1.0", "approve", by="ana") for _ in range(2)]
        unknown = pool.submit(api.decide, approved, "9.0", "approve")
        repeatable = {"Idempotency-Key": key}
        said = [pool.submit(api.steer, approved, f"{key} hurry", repeatable) for _ in range(2)]
    for answer in (each.result() for each in decided):
        assert (answer.status_code, answer.json()["action"]) == (202, "approve")
        assert answer.headers["location"] == f"/runs/{approved}"
    assert unknown.result().json()["type"] == "unknown-approval"
    for answer in (each.result() for each in said):
        assert (answer.status_code, answer.json()) == (202, {"message_id": None})
    stack.open_gate(key)
    assert api.wait_for_status(cancelled, "cancelled")["approvals"][0]["resolution"]
    run = wait_until(lambda: ended if (ended := api.get(approved))["ended_at"] else None, "its end")
    assert run["output"] == "all right"
    assert run["approvals"][0]["resolution"]["by"] == {"key": None, "said": "ana"}
    assert [m["content"] for m in run["messages"]].count(f"{key} hurry") == 1
    assert len(stack.effects(key=f"{approved}:1.0")) == 1
    assert [api.result(run_id)["output"] for run_id in busy] == ["held"] * _PLACES


def _hold(api: Api, stack: TestStack, model: ScriptedModel, key: str, count: int) -> list[str]:
    """Start runs whose steps hold so many places until the gate of this name is open."""
    for index in range(count):
        model.script(f"{key} holds {index}", [call("hold", gate=key), text("held")])
    run_ids = [api.start("tester", f"{key} holds {index}") for index in range(count)]
    stack.wait_for_effects(count, gate=key)
    return run_ids
