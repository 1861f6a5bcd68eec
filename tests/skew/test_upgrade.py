"""The older version is replaced under its runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.api import Api
from fakes.events import assert_events_are_whole
from fakes.model_server import ScriptedModel
from fakes.script import Gate, attempts, call, text
from skew.conftest import OlderVersion, SkewedStack


@pytest.fixture
def stack(tmp_path: Path, model: ScriptedModel, older: OlderVersion) -> Iterator[SkewedStack]:
    """A stack of the older version."""
    with SkewedStack(tmp_path, model, older, {"app", "worker"}) as running:
        yield running


@pytest.fixture
def api(stack: SkewedStack) -> Iterator[Api]:
    """A client of the stack's app."""
    with Api(stack.app_url) as client:
        yield client


def test_runs_go_on(api: Api, stack: SkewedStack, model: ScriptedModel, key: str) -> None:
    """Runs that wait, work and are in line go on when worker and app are replaced."""
    thread_id = key.replace(" ", "-")
    gate = Gate()
    model.script(f"{key} waits", [call("pay", cents=7), text("paid")])
    model.script(
        f"{key} works", [call("note", text=key), attempts(text("lost", gate=gate), text("worked"))]
    )
    model.script(f"{key} in line", [text("z")])
    waits = api.start("teller", f"{key} waits")
    works = api.start("teller", f"{key} works", thread_id=thread_id)
    in_line = api.start("teller", f"{key} in line", thread_id=thread_id)
    [approval] = api.wait_for_approval(waits)["approvals"]
    model.wait_for(f"{key} works", turn=2)
    stack.upgrade_worker()
    stack.upgrade_app()
    assert api.decide(waits, approval["call_id"], "approve").status_code == 200
    outputs = [api.result(run_id)["output"] for run_id in (waits, works, in_line)]
    assert outputs == ["paid", "worked", "z"]
    gate.open()
    for run_id in (waits, works, in_line):
        assert_events_are_whole(api.events(run_id), api.result(run_id))
