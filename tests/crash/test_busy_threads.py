"""Runs of a busy thread that are killed, purged and cancelled at random: it is never stuck."""

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from fakes.api import Api
from fakes.events import assert_valid_conversation
from fakes.model_server import ScriptedModel
from fakes.script import call, text
from fakes.stack import TestStack
from fakes.waiting import wait_until

pytestmark = pytest.mark.crash

_RUNS = 16
_WAYS = ("enqueue", "enqueue", "interrupt", "reject", "steer")


def _strike(api: Api, stack: TestStack, run_id: str, how: str) -> bool:
    """End a run from outside; False if it had ended already."""
    try:
        if how == "cancel":
            return api.cancel(run_id).status_code == 202
        stack.administer(run_id, "kill")
        if how == "purge":
            stack.administer(run_id, "purge")
    except (httpx.HTTPStatusError, IndexError):  # too late, or not there yet
        return False
    return True


def _if_ended(api: Api, run_id: str) -> dict[str, Any] | None:
    run = api.get(run_id)
    return run if run["ended_at"] else None


@pytest.mark.slow
@pytest.mark.parametrize(
    "seed", [1, *(pytest.param(seed, marks=pytest.mark.load) for seed in (2, 3))]
)
def test_at_random(api: Api, stack: TestStack, model: ScriptedModel, key: str, seed: int) -> None:
    """Whatever is struck, each answered run is in the conversation once; the thread is free."""
    dice = random.Random(seed)
    thread_id = f"{key} {seed}".replace(" ", "-")
    for index in range(_RUNS):
        delay_s = dice.choice([0.0, 0.1, 0.3])
        script = [call("note", text=f"{key} {index}"), text(f"answer {index}", delay_s=delay_s)]
        model.script(f"{key} {index};", script)
    plans = [
        (index, dice.choice(_WAYS), dice.choice(["", "", "kill", "purge", "cancel"]))
        for index in range(_RUNS)
    ]
    struck: set[str] = set()

    def play(plan: tuple[int, str, str]) -> dict[str, Any] | None:
        index, on_busy, how = plan
        headers = {"Prefer": "respond-async"}
        answer = api.post(
            "tester", f"{key} {index};", headers, thread_id=thread_id, on_busy=on_busy
        )
        if answer.status_code == 409:
            # Rejected; or the run that took the input was purged.
            assert on_busy in ("reject", "steer")
            return None
        assert answer.status_code in (200, 202), answer.text
        run_id = answer.json()["run_id"]
        if how and _strike(api, stack, run_id, how):
            struck.add(run_id)
        return {"index": index, "run_id": run_id, "steered": answer.json()["steered"]}

    with ThreadPoolExecutor(8) as pool:
        started = [played for played in pool.map(play, plans) if played]
    # A run that was killed keeps the thread until the next one comes; each costs a grace of 2 s.
    model.script(f"{key} last;", [text("the last one")])
    last = api.start("tester", f"{key} last;", thread_id=thread_id)
    ended = wait_until(lambda: _if_ended(api, last), "the last run", deadline_s=90)
    assert ended["output"] == "the last one"
    path = f"/threads/{thread_id}"
    wait_until(lambda: api.http.get(path).json()["status"] == "idle", "a free thread")
    messages = api.messages(thread_id)
    assert_valid_conversation(messages)
    said = [m["content"] for m in messages if m["role"] == "user"]
    assert len(said) == len(set(said))
    for played in started:
        found = api.http.get(f"/runs/{played['run_id']}")
        if found.status_code == 200 and found.json()["status"] == "completed":
            assert f"{key} {played['index']};" in said
        elif not played["steered"]:
            assert played["run_id"] in struck or found.json()["status"] == "cancelled"
