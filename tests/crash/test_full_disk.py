"""Restate's disk is full: the app says so, and all goes on by itself when there is room."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.script import text
from fakes.stack import TestStack
from fakes.waiting import wait_until

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(240)]

# Its processes start again by and by: 20 s to 50 s after there was room, as tried.
RECOVERY_S = 120
SIZE = "400m"
# Restate's storage on a small disk. Its sockets stay where others see them, and its metadata where
# there is room: where it can't write that, it ends itself, and has to be started again.
ON_A_SMALL_DISK = f"""
set -e
mkdir -p "$1"; mount -t tmpfs -o size={SIZE} none "$1"
for part in db log-store; do
    mkdir -p "$1/$part" "$2/$part"; mount --bind "$1/$part" "$2/$part"
done
shift 2; exec "$@"
"""


@pytest.fixture
def small_disk_stack(tmp_path: Path, model: ScriptedModel) -> Iterator[TestStack]:
    tried = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", str(tmp_path)]
    if not shutil.which("unshare") or subprocess.call(tried, stderr=subprocess.DEVNULL):
        pytest.skip("no disk of a test's own can be mounted here: a full disk is NOT tried")
    stack = TestStack(tmp_path / "stack", model)
    folders = [str(stack.directory / "disk"), str(stack.directory / "restate/node-1")]
    shell = ["unshare", "-rm", "sh", "-c", ON_A_SMALL_DISK, "sh", *folders]
    stack.restate._command = [*shell, *stack.restate._find()]
    with stack:
        yield stack


def test_full_disk(small_disk_stack: TestStack, model: ScriptedModel, key: str) -> None:
    """A full disk is told by /readyz; when there is room, runs are started again."""
    stack = small_disk_stack
    model.script(key, [text("ok")])
    with Api(stack.app_url) as api:
        assert api.run("tester", key)["status"] == "completed"
        ballast = _fill(Path(f"/proc/{stack.restate.pid}/root{stack.directory}/disk"))
        said = wait_until(lambda: _refusal(api), "/readyz to refuse")
        assert "its disk is full" in said
        refused = api.post("tester", f"{key} in vain", {"Prefer": "respond-async"})
        assert refused.status_code == 503
        ballast.unlink()
        wait_until(lambda: api.http.get("/readyz").is_success, "/readyz", RECOVERY_S)
        assert stack.restate.running
        run_id = wait_until(lambda: _started(api, key), "a start to be accepted", RECOVERY_S)
        ended = wait_until(lambda: _ended(api, run_id), "the run to end", RECOVERY_S)
        assert ended["status"] == "completed"


def _fill(disk: Path) -> Path:
    """Fill what is left of a disk with a file."""
    ballast = disk / "ballast"
    filling = ["dd", "if=/dev/zero", f"of={ballast}", "bs=64k"]
    assert subprocess.call(filling, stderr=subprocess.DEVNULL), "the disk has no end"
    return ballast


def _refusal(api: Api) -> str | None:
    """Have Restate write, and return what the app says when it can't."""
    body, headers = {"input": "x" * 400_000}, {"Prefer": "respond-async"}
    with suppress(httpx.ReadTimeout):
        api.http.post("/agents/tester/runs", json=body, headers=headers, timeout=0.5)
    ready = api.http.get("/readyz")
    return None if ready.is_success else ready.json()["detail"]


def _started(api: Api, key: str) -> str | None:
    answer = api.post("tester", key, {"Prefer": "respond-async"})
    return answer.json()["run_id"] if answer.status_code == 202 else None


def _ended(api: Api, run_id: str) -> dict[str, Any] | None:
    answer = api.http.get(f"/runs/{run_id}/result")
    return answer.json() if answer.status_code == 200 else None
