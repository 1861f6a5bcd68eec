"""Laws of folders, as lint: what replays has no clock, no randomness, no asyncio of its own."""

import subprocess
import sys

import pytest

from fakes.repository import ROOT

WORKER = "worker/outlast_worker"
BANNED = """
import asyncio
import datetime
import os
import random
import time
import uuid

used = [
    asyncio.gather,
    asyncio.sleep,
    datetime.datetime.now,
    os.urandom,
    time.monotonic,
    time.perf_counter,
    time.time,
    uuid.uuid4,
]
"""
NAMES = {line.strip(" ,") for line in BANNED.splitlines() if line.startswith("    ")} | {"random"}


def refused(path: str) -> set[str]:
    """Return what lint refuses of all that, in a file of this path."""
    lint = [sys.executable, "-m", "ruff", "check", "--select=TID251", "--output-format=concise"]
    found = subprocess.run(
        [*lint, "--no-cache", f"--stdin-filename={path}", "-"],
        input=BANNED,
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert not found.stderr
    return {name for name in NAMES if f"`{name}` is banned" in found.stdout}


@pytest.mark.parametrize("name", ["engine/loop", "services/thread", "services/of_tomorrow"])
def test_what_replays(name: str) -> None:
    """Nothing that a replay would answer differently, in any file of the folders that replay."""
    assert refused(f"{WORKER}/{name}.py") == NAMES


@pytest.mark.parametrize("name", ["inflight", "tools/runner"])
def test_what_runs_in_a_step(name: str) -> None:
    """A step's result is journaled, so what runs in it may read clocks."""
    assert refused(f"{WORKER}/{name}.py") == set()
