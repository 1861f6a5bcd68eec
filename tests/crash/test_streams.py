"""SIGKILL of each process in the middle of a stream, with a client that reconnects.

Whoever dies: committed events come once and in order, and the text that the client shows at the
end is the journaled message. What is shown meanwhile is never a mixture of two attempts.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fakes.api import Api
from fakes.follower import Follower, assert_exact
from fakes.model_server import ScriptedModel
from fakes.redis_server import RedisServer
from fakes.script import Gate, attempts, call, text
from fakes.stack import TestStack
from outlast_local.ports import free_ports
from outlast_local.stack import is_up

pytestmark = pytest.mark.crash

FIRST = "one two three four five"
SECOND = "uno dos tres cuatro cinco"


def _in_mid_stream(api: Api, model: ScriptedModel, key: str, gate: Gate) -> str:
    """Start a run whose second answer stops in the middle; once repeated, it says other words."""
    broken, whole = text(FIRST, gate=gate), text(SECOND, pace_s=0.01)
    model.script(key, [call("note", text="a"), attempts(broken, whole)])
    return api.start("tester", key)


def _assert_pure(follower: Follower) -> None:
    """Each text that was shown is a part of one attempt's words."""
    for shown in follower.texts:
        assert any(words.startswith(shown) for words in ("", FIRST, SECOND)), shown


def _snapshot_after(follower: Follower, at: float) -> dict[str, Any] | None:
    return next((e for e in follower.of("message.snapshot") if e["at"] > at), None)


def test_worker(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> None:
    """The client sees a reset and the new words, without a new connection."""
    gate = Gate(after_chunks=4)
    run_id = _in_mid_stream(api, model, key, gate)
    with Follower([stack.app_url], run_id) as follower:
        follower.wait_for_text(2, "one two three")
        stack.worker.kill()
        killed_at = time.monotonic()
        stack.start_worker()
        follower.wait_for_end()
        # The reset, or all there is, if the app came to hear of it a moment later.
        news = [e for e in follower.events if e["at"] > killed_at and e.get("turn") == 2]
        print(f"new words {news[0]['at'] - killed_at:.2f} s after the worker's death")  # noqa: T201  # pytest -s shows it
    assert follower.connections == 1
    assert follower.text[2] == SECOND
    assert_exact(follower, api.get(run_id))
    _assert_pure(follower)
    gate.open()


def test_app(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> None:
    """The client reconnects to the new app process and has all of the text that is there."""
    gate = Gate(after_chunks=4)
    model.script(key, [call("note", text="a"), text(FIRST, gate=gate)])
    run_id = api.start("tester", key)
    with Follower([stack.app_url], run_id) as follower:
        follower.wait_for_text(2, "one two three")
        stack.app.kill()
        killed_at = time.monotonic()
        stack.start_app()
        snapshot = follower.wait(lambda: _snapshot_after(follower, killed_at), "a snapshot")
        seen_s = snapshot["at"] - killed_at
        print(f"the text again {seen_s:.2f} s after the app's death")  # noqa: T201  # pytest -s shows it
        assert follower.text[2] == "one two three"
        gate.open()
        follower.wait_for_end()
    assert_exact(follower, api.get(run_id))
    assert stack.executions(run_id).count("model 2") == 1
    _assert_pure(follower)


def test_restate(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> None:
    """The closure that outlives its attempt is mute beside its successor."""
    gate = Gate(after_chunks=4)
    run_id = _in_mid_stream(api, model, key, gate)
    with Follower([stack.app_url], run_id) as follower:
        follower.wait_for_text(2, "one two three")
        stack.restate.kill()
        killed_at = time.monotonic()
        stack.start_restate()
        model.wait_for(key, turn=2, count=2)
        gate.open()  # the orphan has more to say now
        follower.wait_for_end()
        # The reset, or the whole message, if that was quicker than the app's way to it.
        news = [e for e in follower.events if e["at"] > killed_at and e.get("turn") == 2]
        print(f"new words {news[0]['at'] - killed_at:.2f} s after Restate's death")  # noqa: T201  # pytest -s shows it
    assert follower.text[2] == SECOND
    assert_exact(follower, api.get(run_id))
    _assert_pure(follower)


def test_sigterm_of_the_app(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> None:
    """An app that is told to end closes its streams at once; the client goes on elsewhere."""
    gate = Gate(after_chunks=4)
    model.script(key, [text(FIRST, gate=gate)])
    run_id = api.start("tester", key)
    with Follower([stack.app_url], run_id) as follower:
        follower.wait_for_text(1, "one two three")
        assert stack.app.terminate(10) < 3
        stack.start_app()
        gate.open()
        follower.wait_for_end()
    assert_exact(follower, api.get(run_id))


# Two workers and two apps, over Redis


@contextmanager
def _redis_stack(directory: Path, model: ScriptedModel) -> Iterator[tuple[TestStack, RedisServer]]:
    with (
        RedisServer(directory) as redis,
        TestStack(directory / "stack", model, {"REDIS_URL": redis.url}) as stack,
    ):
        yield stack, redis


def test_redis(tmp_path: Path, model: ScriptedModel, key: str) -> None:
    """Redis dies with all its data: the run goes on, and the stream is whole again."""
    gate = Gate(after_chunks=4)
    model.script(key, [call("note", text="a"), text(FIRST, gate=gate)])
    with _redis_stack(tmp_path, model) as (stack, redis), Api(stack.app_url) as api:
        run_id = api.start("tester", key)
        with Follower([stack.app_url], run_id) as follower:
            follower.wait_for_text(2, "one two three")
            redis.kill()
            redis.start()
            gate.open()
            follower.wait_for_end()
        run = api.get(run_id)
        assert run["status"] == "completed"
        assert_exact(follower, run)
        _assert_pure(follower)


def test_run_without_redis(tmp_path: Path, model: ScriptedModel, key: str) -> None:
    """While Redis is away, runs go on at their pace, and committed events come all the same."""
    model.script(key, [call("note", text="a"), text(FIRST)])
    with _redis_stack(tmp_path, model) as (stack, redis), Api(stack.app_url) as api:
        redis.kill()
        began = time.monotonic()
        run_id = api.start("tester", key)
        with Follower([stack.app_url], run_id) as follower:
            follower.wait_for_end()
        assert time.monotonic() - began < 5
        assert_exact(follower, api.get(run_id))


@contextmanager
def _second(stack: TestStack, package: str, port: int) -> Iterator[str]:
    """Run another worker, which takes all new runs, or another app."""
    url = f"http://127.0.0.1:{port}"
    settings = {f"{package.upper()}_PORT": str(port), "WORKER_URL": url}
    process = stack.process(
        f"outlast_{package}", settings if package == "worker" else {"APP_PORT": str(port)}
    )
    process.start()
    try:
        process.wait_until(lambda: is_up(f"{url}/healthz"), 30)
        if package == "worker":
            command = [sys.executable, "-m", "outlast_worker", "register"]
            subprocess.run(command, env={**stack.environment, **settings}, check=True)
        yield url
    finally:
        process.terminate()


def test_two_workers_and_two_apps(tmp_path: Path, model: ScriptedModel, key: str) -> None:
    """Each app streams the runs of both workers; a client of the one goes on at the other."""
    gates = {name: Gate(after_chunks=4) for name in ("one", "two")}
    worker_port, app_port = free_ports(2)
    with _redis_stack(tmp_path, model) as (stack, _), Api(stack.app_url) as api:
        one = _in_mid_stream(api, model, f"{key} one", gates["one"])
        with (
            _second(stack, "worker", worker_port),
            _second(stack, "app", app_port) as other_app,
        ):
            two = _in_mid_stream(api, model, f"{key} two", gates["two"])
            urls = [stack.app_url, other_app]
            with Follower(urls, one) as first, Follower(urls, two) as second:
                for follower in (first, second):
                    follower.wait_for_text(2, "one two three")
                stack.app.kill()
                killed_at = time.monotonic()
                for follower in (first, second):
                    follower.wait(lambda f=follower: _snapshot_after(f, killed_at), "the text")
                stack.worker.kill()  # the first run's
                stack.start_worker()
                gates["two"].open()
                for follower in (first, second):
                    follower.wait_for_end()
            stack.start_app()
            assert (first.text[2], second.text[2]) == (SECOND, FIRST)
            for follower, run_id in ((first, one), (second, two)):
                assert_exact(follower, api.get(run_id))
                _assert_pure(follower)
    gates["one"].open()
