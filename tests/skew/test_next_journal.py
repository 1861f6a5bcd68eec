"""A worker of the next journal version beside one of the version before, which ends its runs."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.script import Gate, call, text
from outlast_local.ports import free_ports
from outlast_local.process import Process
from outlast_local.stack import is_up
from skew.conftest import OlderVersion, SkewedStack


class BothWorkers(SkewedStack):
    """A stack of the earlier version, which a worker of this version joins."""

    newer: Process | None = None

    def register(self, *, allow_removed: bool = False) -> list[str]:
        """Register the worker there is: the earlier one, at first."""
        if self.newer is None:
            self.register_older()
            return []
        return super().register(allow_removed=allow_removed)

    def add_newer_worker(self) -> None:
        """Start a worker of this version, which gets what begins from now on."""
        [port] = free_ports(1)
        url = f"http://127.0.0.1:{port}"
        self.settings.update({"WORKER_PORT": str(port), "WORKER_URL": url})
        command = [sys.executable, "-m", "outlast_worker"]
        log = self.directory / "newer.log"
        self.newer = Process("newer", command, self.environment, log, self.directory)
        self.newer.start()
        self.newer.wait_until(lambda: is_up(f"{url}/healthz"), 60)
        self.register()


@pytest.fixture
def stack(
    tmp_path: Path, model: ScriptedModel, of_earlier_journal: OlderVersion
) -> Iterator[BothWorkers]:
    """A stack of the earlier version."""
    with BothWorkers(tmp_path, model, of_earlier_journal, {"app", "worker"}) as running:
        yield running
        if running.newer:
            running.newer.terminate()


def test_runs_go_on(stack: BothWorkers, model: ScriptedModel, key: str) -> None:
    """What waits for a person is decided, and who is in line has a turn, in order."""
    thread_id = key.replace(" ", "-")
    gate = Gate()
    model.script(f"{key} waits", [call("pay", cents=7), text("paid")])
    model.script(f"{key} works", [text("worked", gate=gate)])
    for name in ("first", "second"):
        model.script(f"{key} {name}", [text(name)])
    with Api(stack.app_url) as api:
        waits = api.start("teller", f"{key} waits")
        line = [
            api.start("teller", f"{key} {name}", thread_id=thread_id)
            for name in ("works", "first", "second")
        ]
        [approval] = api.wait_for_approval(waits)["approvals"]
        model.wait_for(f"{key} works")
        stack.add_newer_worker()
        stack.upgrade_app()
        assert api.http.get(f"/threads/{thread_id}").json()["queued"] == line[1:]
        decided = api.decide(waits, approval["call_id"], "approve", by="ana")
        assert decided.status_code == 200, decided.text
        assert api.result(waits)["output"] == "paid"
        gate.open()
        assert [api.result(run_id)["output"] for run_id in line] == ["worked", "first", "second"]
