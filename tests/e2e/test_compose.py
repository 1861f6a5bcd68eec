"""The containers on a real engine: a fresh clone starts, answers, and outlives kills."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from example_agents import agents
from fakes.compose import Compose
from fakes.events import parse_events
from fakes.waiting import wait_until
from outlast_local.provider import DEMO_MODEL
from outlast_worker.engine.records import JOURNAL_VERSION

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def stack(clone: Path) -> Iterator[Compose]:
    # A slow bank: time to kill the worker between a refund and its record.
    (clone / ".env").write_text("SUPPORT_BANK_DELAY_S=3\n")
    compose = Compose(
        clone, "outlast-e2e", {"COMPOSE_PROFILES": "demo", "DEMO_MODEL_DELAY_S": "0.5"}
    )
    try:
        compose("build")
        began = time.monotonic()
        compose.up()
        print(f"up after {time.monotonic() - began:.1f} s")  # noqa: T201  # pytest -s shows it
        yield compose
    finally:
        compose.remove()


def test_a_fresh_clone_is_ready_and_answers(stack: Compose):
    ready = stack.api.http.get("/readyz")
    assert (ready.status_code, ready.json()["drift"]) == (200, [])

    run = stack.api.run("assistant", "Hello there")
    assert run["status"] == "completed", run
    assert "Hello there" in run["output"]


def test_a_run_is_streamed(stack: Compose):
    """Live events reach the app, which the worker lets in by the secret that compose has made."""
    answer = stack.api.post("assistant", "Hello there", {"Accept": "text/event-stream"})
    events = list(parse_events(answer.text.splitlines()))
    shown = ""
    for event in events:
        if event["type"] == "message.snapshot":  # for a client that comes late
            shown = event["text"]
        elif event["type"] == "message.delta":
            shown += event["text"]
    assert shown == events[-1]["run"]["output"]


def test_the_command_line_is_in_the_image(stack: Compose):
    listed = stack("exec", "-T", "app", "outlast", "list", "--json")
    names = [agent["name"] for agent in json.loads(listed)["items"]]
    assert names == [agent.name for agent in agents]


def test_a_run_can_be_read_and_watched(stack: Compose):
    run_id = stack.api.start("support", "What about order A-1002?")
    types = [event["type"] for event in stack.api.events(run_id)]
    assert types[0] == "run.started"
    assert types[-1] == "run.completed"
    assert "tool_call.completed" in types
    run = stack.api.get(run_id)
    assert (run["status"], run["usage"]["tool_calls"]) == ("completed", 1)


@pytest.mark.parametrize(
    ("order", "kill"),
    [("A-1001", Compose.kill), ("A-1003", Compose.crash)],
    ids=["killed", "crashed"],
)
def test_a_run_outlives_its_worker(
    stack: Compose, order: str, kill: Callable[[Compose, str], None]
):
    began = stack.started_at("worker")
    run_id = stack.api.start("support", f"Please refund order {order}.")
    wait_until(lambda: _refunds(stack, run_id) == (1, 1), "the refund")

    killed_at = time.monotonic()
    kill(stack, "worker")
    run = stack.api.result(run_id)
    print(f"ended {time.monotonic() - killed_at:.1f} s after the kill")  # noqa: T201  # pytest -s shows it
    assert run["status"] == "completed", run
    assert stack.started_at("worker") != began
    assert _refunds(stack, run_id) == (2, 1), "executed again, with the same key: paid once"
    seqs = [event["seq"] for event in stack.api.events(run_id)]
    assert seqs == list(range(1, len(seqs) + 1))


def test_restate_keeps_runs_and_threads_when_it_is_killed(stack: Compose):
    done = stack.api.start("support", "What about order A-1004?", thread_id="kept")
    before = stack.api.result(done)
    events = stack.api.events(done)
    running = stack.api.start("support", "Please refund order A-1004.")
    wait_until(lambda: _refunds(stack, running) == (1, 1), "the refund")

    stack.kill("restate")

    wait_until(lambda: stack.api.http.get("/readyz").status_code == 200, "Restate")
    assert stack.api.result(running)["status"] == "completed"
    assert stack.api.get(done) == before
    assert stack.api.events(done) == events
    assert len(stack.api.messages("kept")) == 4


def test_up_again_changes_nothing(stack: Compose):
    services = ("restate", "worker", "app")
    before = {service: stack.started_at(service) for service in services}
    stack.up()
    after = {service: stack.started_at(service) for service in services}
    assert after == before


def test_down_and_up_keeps_what_was_there(stack: Compose):
    run_id = stack.api.start("support", "What about order A-1002?")
    before = stack.api.result(run_id)
    waiting = stack.api.start("support", "Please refund order A-1005.")
    wait_until(lambda: _refunds(stack, waiting) == (1, 1), "the refund")

    began = time.monotonic()
    stack("down")
    assert time.monotonic() - began < 10, "each container ends at SIGTERM"
    stack.up()

    assert stack.api.get(run_id) == before
    assert stack.api.result(waiting)["status"] == "completed"
    assert _refunds(stack, waiting) == (2, 1)


def test_only_loopback_reaches_the_ports_and_nobody_the_worker(stack: Compose):
    for service in ("app", "guard"):
        assert stack.published(service) == {"127.0.0.1"}
    for service in ("restate", "worker", "demo-model"):
        assert stack.published(service) == set()


@pytest.mark.parametrize("door", ["ingress_url", "admin_url"])
def test_programs_reach_restate_by_the_published_ports_and_pages_do_not(stack: Compose, door: str):
    url = f"{getattr(stack, door)}/restate/health" if door == "ingress_url" else stack.admin_url

    def status(headers: Mapping[str, str]) -> int:
        answer = httpx.get(url, headers=headers, trust_env=False, follow_redirects=True)
        return answer.status_code

    assert status({}) == 200
    assert status({"Origin": stack.admin_url}) == 200, "the UI, at the port that browsers know"
    assert status({"Origin": "http://evil.example"}) == 403
    assert status({"Origin": "http://localhost:3000"}) == 403
    assert status({"Sec-Fetch-Site": "cross-site"}) == 403
    assert status({"Host": "evil.example"}) == 421


def test_the_worker_serves_nobody_but_restate(stack: Compose):
    worker = "http://worker:9081"
    assert stack.asked("app", f"{worker}/v{JOURNAL_VERSION}/invoke/support/run", "POST") == 401
    assert stack.asked("app", f"{worker}/streams/default%2Fx") == 401


def test_the_key_that_signs_is_not_the_workers_to_read(stack: Compose):
    read = "import os; print([os.access('/identity/restate.pem', m) for m in (os.F_OK, os.R_OK)])"
    assert stack.python("worker", read) == "[True, False]"


@pytest.mark.parametrize(
    ("service", "lacking"),
    [
        ("app", "outlast_worker outlast_local litellm restate"),
        ("worker", "outlast_app outlast_cli outlast_local fastapi typer"),
        ("demo-model", "outlast_app outlast_cli outlast_worker"),
    ],
)
def test_an_image_holds_only_what_it_needs(stack: Compose, service: str, lacking: str):
    assert stack.lacks(service, lacking)
    assert stack.python(service, "import os; print(os.listdir('/srv'))") == "[]", "no sources"


@pytest.mark.parametrize("service", ["app", "guard", "worker", "demo-model"])
def test_a_container_is_locked_down(stack: Compose, service: str):
    assert stack.is_locked_down(service)


def test_keys_and_settings_reach_only_who_needs_them(stack: Compose):
    (stack.folder / ".env").write_text(
        'SUPPORT_BANK_DELAY_S=3\nFOO_API_KEY=secret\nAPP_KEYS={"acme": ["secret"]}\n'
    )
    code = "import os; print('FOO_API_KEY' in os.environ, bool(os.environ.get('APP_KEYS')))"
    run = ("run", "--rm", "--no-deps", "--no-TTY")
    assert stack(*run, "app", "python", "-c", code).strip() == "False True"
    assert stack(*run, "worker", "python", "-c", code).strip() == "True False"
    assert stack(*run, "register", "python", "-c", code).strip() == "False False"


def test_without_a_key_a_run_ends_and_names_what_is_missing(stack: Compose):
    (stack.folder / ".env").unlink()
    stack.settings = {}
    stack.up()
    ready = stack.api.http.get("/readyz").json()
    assert ready["drift"] == [], "the new model is registered too"
    models = {agent["model"] for agent in stack.api.http.get("/agents").json()["items"]}
    assert models.isdisjoint({DEMO_MODEL})

    run = stack.api.result(stack.api.start("support", "Hello"))
    assert (run["status"], run["error"]["type"]) == ("failed", "model-auth")
    assert "OPENAI_API_KEY" in run["error"]["message"]


def _refunds(stack: Compose, run_id: str) -> tuple[int, int]:
    """Count a run's refunds: how often executed, how often paid."""
    counts = stack.python(
        "worker",
        "import os, sqlite3; database = sqlite3.connect(os.environ['SUPPORT_DB']);"
        "print(*(database.execute(f'SELECT count(*) FROM {table} WHERE idempotency_key"
        f" LIKE \"%{run_id}%\"').fetchone()[0] for table in ('executions', 'refunds')))",
    )
    executed, paid = counts.split()
    return int(executed), int(paid)
