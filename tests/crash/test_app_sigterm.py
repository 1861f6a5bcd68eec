"""The app is told to end: those who wait learn in time how to go on elsewhere."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.script import Gate, text
from fakes.stack import TestStack
from fakes.waiting import wait_until

pytestmark = pytest.mark.crash

SOON_S = 1.5


class _Stream:
    """A client of a run's stream, which has to end cleanly."""

    def __init__(self) -> None:
        self.text = ""

    def read(self, api: Api, run_id: str) -> None:
        with api.http.stream("GET", f"/runs/{run_id}/events") as answer:
            for part in answer.iter_text():
                self.text += part


def test_sigterm_while_callers_wait(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """Each waiting caller gets the run so far, each stream ends, and the process too."""
    gate = Gate()
    thread_id = key.replace(" ", "-")
    model.script(key, [text("ok", gate=gate)])
    run_id = api.start("tester", key)
    with ThreadPoolExecutor(8) as pool:
        waiting = [
            pool.submit(api.post, "tester", key),
            pool.submit(api.post, "tester", key, {"Prefer": "wait=30"}),
            pool.submit(api.post, "tester", key, thread_id=thread_id),
            pool.submit(api.http.get, f"/runs/{run_id}/result"),
        ]
        model.wait_for(key, count=4)
        streams = [_Stream(), _Stream()]
        reading = [pool.submit(stream.read, api, run_id) for stream in streams]
        wait_until(lambda: all("turn.started" in stream.text for stream in streams), "events")
        began = time.monotonic()
        ended = pool.submit(stack.app.terminate)
        answers = [future.result(10) for future in waiting]
        for ended_stream in reading:
            ended_stream.result(10)
        answered_s = time.monotonic() - began
        assert ended.result(10) < SOON_S + 0.5
    assert answered_s < SOON_S
    for answer in answers:
        run = answer.json()
        assert (answer.status_code, run["status"]) == (202, "running"), answer.text
        assert answer.headers["location"] == f"/runs/{run['run_id']}"
    assert all(stream.text.endswith("\n\n") for stream in streams)
    stack.start_app()
    gate.open()
    assert [api.result(answer.json()["run_id"])["output"] for answer in answers] == ["ok"] * 4


def test_sigterm_without_a_worker(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """With the worker away too, a waiting caller gets its run as far as it is known."""
    accepted = "SELECT id FROM sys_invocation WHERE target_handler_name IN ('run', 'submit')"
    model.script(key, [text("ok")])
    stack.worker.kill()
    before = len(stack.query(accepted))
    with ThreadPoolExecutor(2) as pool:
        waiting = [
            pool.submit(api.post, "tester", key),
            pool.submit(api.post, "tester", key, thread_id=key.replace(" ", "-")),
        ]
        wait_until(lambda: len(stack.query(accepted)) == before + 2, "both to be accepted")
        assert stack.app.terminate() < 3
        answers: list[httpx.Response] = [future.result(10) for future in waiting]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert [answer.json()["status"] for answer in answers] == ["queued", "queued"]
    stack.start_app()
    stack.start_worker()
    assert [api.result(answer.json()["run_id"])["output"] for answer in answers] == ["ok"] * 2
