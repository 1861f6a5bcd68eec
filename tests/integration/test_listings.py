"""Listings of runs, threads and approvals, and what becomes of paused runs."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.script import Gate, call, hang, text
from fakes.stack import TestStack
from fakes.waiting import wait_until
from outlast_local.ports import free_ports

TENANTS = {"pager": "key-1", "acme": "key-2", "globex": "key-3", "asker": "key-4"}
Item = dict[str, Any]


@pytest.fixture(scope="module")
def tenants(stack: TestStack) -> Iterator[dict[str, Api]]:
    """A client of each tenant."""
    keys = json.dumps({tenant: [key] for tenant, key in TENANTS.items()})
    with stack.another_app({"APP_KEYS": keys}) as url:
        clients = {tenant: Api(url) for tenant in TENANTS}
        for tenant, client in clients.items():
            client.http.headers["Authorization"] = f"Bearer {TENANTS[tenant]}"
        yield clients
        for client in clients.values():
            client.close()


@pytest.fixture
def thread_id(key: str) -> str:
    """A thread of this test's own."""
    return key.replace(" ", "-")


def page(api: Api, path: str, **params: Any) -> dict[str, Any]:
    answer = api.http.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def pages(api: Api, path: str, **params: Any) -> Iterator[list[Item]]:
    """Read a listing, page by page."""
    found = page(api, path, **params)
    yield found["items"]
    while cursor := found["next_cursor"]:
        found = page(api, path, cursor=cursor, **params)
        yield found["items"]


def run_ids(items: list[Item]) -> list[str]:
    return [item["run_id"] for item in items]


def start_and_pause(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> str:
    """Pause a run after a step: Restate does not pause one that it has suspended."""
    model.script(key, [call("hold", gate=key), text("ok")])
    run_id = api.start("tester", key)
    stack.wait_for_effects(1, tool="hold", gate=key)
    early = api.http.post(f"/runs/{run_id}/resume")
    assert (early.status_code, early.json()["type"]) == (409, "run-not-paused")
    stack.administer(run_id, "pause")
    stack.open_gate(key)
    api.wait_for_status(run_id, "paused")
    return run_id


def test_long_outputs_are_not_listed(
    api: Api, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """A list has how a long output begins, and the rest of the run as it is."""
    said = f'Grüße 🙂, "usage": {{}},"usage":{{}} {"x" * 300_000}'
    model.script(key, [text(said)])
    run = api.run("tester", key, thread_id=thread_id, metadata={"n": "1"})
    assert run["output"] == said
    [listed] = page(api, "/runs", thread_id=thread_id)["items"]
    assert (listed["output"], listed["output_preview"]) == (None, said[:200])
    left_out = ("output", "output_preview", "messages")
    assert {k: v for k, v in listed.items() if k not in left_out} == {
        k: v for k, v in run.items() if k not in left_out
    }
    without = api.http.get(f"/runs/{run['run_id']}", params={"messages": "false"}).json()
    assert without == {**run, "messages": None}


def test_runs_are_listed_as_they_are_read(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """Each run is listed as `GET /runs/{id}` shows it, without messages, whatever its state is."""
    gate = Gate()
    model.script(f"{key} completed", [text("done")])
    model.script(f"{key} running", [text("late", gate=gate)])
    completed = api.run("tester", f"{key} completed", thread_id=thread_id, metadata={"n": "1"})
    killed, cancelled, waiting = (
        api.start("tester", f"{key} asleep", after_s=3600) for _ in range(3)
    )
    running = api.start("tester", f"{key} running", thread_id=thread_id)
    queued = api.start("tester", f"{key} queued", thread_id=thread_id)
    for run_id in (killed, cancelled, waiting):
        api.wait_for_status(run_id, "waiting")
    stack.administer(killed, "kill")
    assert api.cancel(cancelled).status_code == 202
    expected = {
        completed["run_id"]: "completed",
        killed: "failed",
        cancelled: "cancelled",
        waiting: "waiting",
        running: "running",
        queued: "queued",
    }
    for run_id, status in expected.items():
        api.wait_for_status(run_id, status)
    model.wait_for(f"{key} running")
    listed = {item["run_id"]: item for item in page(api, "/runs", limit=100)["items"]}
    for run_id, status in expected.items():
        assert listed[run_id]["status"] == status
        volatile = {"messages": None, "engine": None}
        shown = api.get(run_id)
        if run_id == queued:  # only who asks for one run is told which it waits for
            assert shown["waiting"]["run_id"] == running
            shown["waiting"]["run_id"] = None
        assert listed[run_id] | volatile == shown | volatile
        assert listed[run_id]["messages"] is None
        ended = status in ("completed", "failed", "cancelled")
        assert (listed[run_id]["engine"] is None) == ended
    assert listed[killed]["error"]["type"] == "killed"
    for run_id, status in expected.items():
        found = page(api, "/runs", status=status, limit=100)["items"]
        assert run_id in run_ids(found)
        assert {item["status"] for item in found} == {status}
    gate.open()
    api.result(queued)
    api.cancel(waiting)


def test_filters(api: Api, model: ScriptedModel, key: str, thread_id: str) -> None:
    """Agent, thread and status each narrow the list, alone and together; nobody fakes them."""
    fake = {"n": "1", "thread_id": thread_id, "status": "failed"}
    for index in range(4):
        model.script(f"{key} #{index}", [text(json.dumps(fake))])
    one = api.run("tester", f"{key} #0", thread_id=thread_id)["run_id"]
    two = api.run("short", f"{key} #1", thread_id=thread_id)["run_id"]
    other = api.run("short", f"{key} #2", thread_id=f"{thread_id}-2", metadata=fake)["run_id"]
    alone = api.run("tester", f"{key} #3", metadata=fake)["run_id"]

    def found(**params: Any) -> list[str]:
        return run_ids(page(api, "/runs", **params)["items"])

    assert found(thread_id=thread_id) == [two, one]
    assert found(thread_id=f"{thread_id}-2") == [other]
    assert found(thread_id=f"{thread_id}-3") == []
    assert found(thread_id=thread_id, agent="tester") == [one]
    assert found(thread_id=thread_id, agent="short", status="completed") == [two]
    assert found(thread_id=thread_id, status="failed") == []
    assert alone in found(agent="tester", limit=100)
    assert not {one, alone} & set(found(agent="short", limit=100))
    assert not {other, alone} & set(found(status="failed", limit=100))
    assert found(agent="nobody") == []


TICKETS = [
    {"ticket": "4711", "team": "desk"},
    {"ticket": "4711"},
    {"ticket": '47"11', "note": ',"ticket":"4711"'},
    {'x","ticket': "4711", "team": "4711"},
    {"ticket": "Grüße 🙂\\"},
]


def test_filters_by_metadata_and_time(api: Api, model: ScriptedModel, key: str) -> None:
    """Metadata counts whole, name and value, whatever is in it; so do time, ids and statuses."""
    mine = {"key": key}
    for index in range(len(TICKETS)):
        model.script(f"{key} #{index}", [text("done")])
    runs = [
        api.run("tester", f"{key} #{index}", metadata={**ticket, **mine})
        for index, ticket in enumerate(TICKETS)
    ]
    ids = run_ids(runs)

    def found(**params: Any) -> list[int]:
        items = page(api, "/runs", **{"metadata.key": key, "limit": 100, **params})["items"]
        return sorted(ids.index(item["run_id"]) for item in items)

    assert found() == [0, 1, 2, 3, 4]
    assert found(**{"metadata.ticket": "4711"}) == [0, 1]
    assert found(**{"metadata.ticket": "4711", "metadata.team": "desk"}) == [0]
    for index, ticket in enumerate(TICKETS[2:], start=2):
        for name, value in ticket.items():
            assert found(**{f"metadata.{name}": value}) == [index]
    assert found(**{"metadata.ticket": "471"}) == []
    assert found(id_prefix=ids[3][:-5]) == [3]
    assert found(id_prefix="short.") == []
    assert found(status=["failed", "completed"]) == [0, 1, 2, 3, 4]
    assert found(status=["failed", "running"]) == []
    assert found(created_after=runs[2]["ended_at"]) == [3, 4]
    assert found(created_before=runs[1]["ended_at"]) == [0, 1]
    between = {"created_after": runs[0]["ended_at"], "created_before": runs[2]["ended_at"]}
    assert found(**between) == [1, 2]


def test_pages_while_new_runs_arrive(
    tenants: dict[str, Api], model: ScriptedModel, key: str
) -> None:
    """25 runs come newest first, each once, although new ones arrive between the pages."""
    api = tenants["pager"]
    model.script(key, [text("ok")])
    before = len([item for items in pages(api, "/runs", limit=100) for item in items])
    with ThreadPoolExecutor(8) as pool:
        made = [run["run_id"] for run in pool.map(lambda _: api.run("tester", key), range(25))]
    seen: list[Item] = []
    for items in pages(api, "/runs", limit=7):
        assert len(items) <= 7
        assert items == sorted(items, key=lambda item: item["created_at"], reverse=True)
        seen += items
        api.run("tester", key)
    assert len(seen) == before + 25
    assert set(run_ids(seen)) >= set(made)
    assert len(set(run_ids(seen))) == len(seen)


def test_tenants_do_not_see_each_other(
    tenants: dict[str, Api], model: ScriptedModel, key: str, thread_id: str
) -> None:
    """Runs and threads are listed for their tenant only, also for equal names and by filters."""
    model.script(key, [text("ok")])
    acme, globex = tenants["acme"], tenants["globex"]
    ours = acme.run("tester", key, thread_id=thread_id)["run_id"]
    theirs = globex.run("tester", key, thread_id=thread_id)["run_id"]
    for filters in ({}, {"thread_id": thread_id}, {"status": "completed"}, {"agent": "tester"}):
        assert ours in run_ids(page(acme, "/runs", **filters)["items"])
        assert theirs not in run_ids(page(acme, "/runs", **filters)["items"])
    assert run_ids(page(globex, "/runs", thread_id=thread_id)["items"]) == [theirs]
    acme.run("tester", key, thread_id=f"{thread_id}-acme")
    names = [item["thread_id"] for item in page(globex, "/threads")["items"]]
    assert thread_id in names
    assert f"{thread_id}-acme" not in names
    assert acme.http.post(f"/runs/{theirs}/resume").json()["type"] == "unknown-run"
    joined = acme.http.get(f"/runs/{theirs}/events", params={"children": "true"})
    assert (joined.status_code, joined.json()["type"]) == (404, "unknown-run")


def test_threads(tenants: dict[str, Api], model: ScriptedModel, key: str, thread_id: str) -> None:
    """Threads come as they changed last, as they are read one by one, until they are deleted."""
    api, gate = tenants["acme"], Gate()
    model.script(f"{key} quick", [text("ok")])
    model.script(f"{key} held", [text("late", gate=gate)])
    names = [f"{thread_id}-{index}" for index in range(5)]
    for name in names:
        api.run("tester", f"{key} quick", thread_id=name)
    api.start("tester", f"{key} held", thread_id=names[0])
    last = api.start("tester", f"{key} held", thread_id=names[0])
    wait_until(
        lambda: all(page(api, f"/threads/{name}")["status"] == "idle" for name in names[1:]),
        "idle threads",
    )
    listed: list[Item] = []
    for items in pages(api, "/threads", limit=2):
        listed += [item for item in items if item["thread_id"] in names]
        api.run("tester", f"{key} quick", thread_id=f"{thread_id}-new-{len(listed)}")
        if len(listed) >= 5:
            break
    in_order = [names[0], *names[:0:-1]]
    assert [item["thread_id"] for item in listed] == in_order
    assert listed == [page(api, f"/threads/{name}") for name in in_order]
    assert (listed[0]["status"], listed[0]["queued"]) == ("busy", [last])
    assert api.http.delete(f"/threads/{names[3]}").status_code == 204
    left = [item["thread_id"] for item in page(api, "/threads", limit=100)["items"]]
    assert names[3] not in left
    assert names[4] in left
    gate.open()
    api.result(last)


def write_approvals(stack: TestStack, run_id: str, approvals: list[Item]) -> None:
    """Write pending approvals where a run's worker keeps them, as an operator may."""
    rows = stack.query(f"SELECT key, value FROM state WHERE service_key = 'asker/{run_id}'")
    state = {row["key"]: list(bytes.fromhex(row["value"])) for row in rows}
    for approval in approvals:
        call_id, requested_at = approval["call_id"], approval["requested_at"]
        state[f"approval:{call_id}"] = list(json.dumps(approval).encode())
        state[f"pending:{call_id}"] = list(json.dumps(requested_at).encode())
    httpx.post(
        f"{stack.admin_url}/services/{run_id.partition('.')[0]}/state",
        json={"object_key": f"asker/{run_id}", "new_state": state},
        trust_env=False,
    ).raise_for_status()


def test_approvals(stack: TestStack, tenants: dict[str, Api], key: str, thread_id: str) -> None:
    """What is pending is listed over all runs, newest first; what an ended run left is not."""
    api = tenants["asker"]
    first = api.start("tester", key, after_s=3600, thread_id=thread_id)
    second, killed = (api.start("short", key, after_s=3600) for _ in range(2))
    began = datetime.now(UTC)

    def approval(index: int) -> Item:
        return {
            "call_id": f"{index}.0",
            "name": "refund",
            "arguments": {"cents": index, "note": "it's"},
            "requested_at": (began + timedelta(microseconds=index)).isoformat(),
        }

    for run_id, indexes in ((first, (1, 4)), (second, (3, 2)), (killed, (5,))):
        api.wait_for_status(run_id, "waiting")
        write_approvals(stack, run_id, [approval(index) for index in indexes])
    wait_until(lambda: len(page(api, "/approvals")["items"]) == 5, "five approvals")
    stack.kill_invocation(stack.invocation_id(killed, "asker"))
    api.wait_for_status(killed, "failed")
    listed = [item for items in pages(api, "/approvals", limit=2) for item in items]
    assert [item["arguments"]["cents"] for item in listed] == [4, 3, 2, 1]
    assert run_ids(listed) == [first, second, second, first]
    assert [(item["agent"], item["thread_id"]) for item in listed[:2]] == [
        ("tester", thread_id),
        ("short", None),
    ]
    assert {item["input_preview"] for item in listed} == {key}
    assert page(tenants["acme"], "/approvals") == {"items": [], "next_cursor": None}
    for run_id in (first, second):
        api.cancel(run_id)
        api.wait_for_status(run_id, "cancelled")
    assert page(api, "/approvals")["items"] == []


def test_without_the_admin_api(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """Without the admin API listings are a 503 that may be tried again, and runs go on."""
    gate = Gate()
    model.script(key, [text("ok", gate=gate)])
    (nobody,) = free_ports(1)
    settings = {"RESTATE_ADMIN_URL": f"http://127.0.0.1:{nobody}"}
    with stack.another_app(settings) as url, Api(url) as cut_off:
        run_id = cut_off.start("tester", key, thread_id=thread_id)
        model.wait_for(key)
        for path in ("/runs", "/threads", "/approvals"):
            answer = cut_off.http.get(path)
            assert (answer.status_code, answer.json()["type"]) == (503, "admin-unavailable")
            assert answer.headers["retry-after"]
        resumed = cut_off.http.post(f"/runs/{run_id}/resume")
        assert (resumed.status_code, resumed.json()["type"]) == (503, "admin-unavailable")
        run = cut_off.get(run_id)
        assert (run["status"], run["engine"]) == ("running", None)
        assert cut_off.http.get(f"/threads/{thread_id}").json()["status"] == "busy"
        gate.open()
        assert cut_off.result(run_id)["output"] == "ok"


def test_resume(api: Api, stack: TestStack, key: str, model: ScriptedModel) -> None:
    """A paused run is listed as such, and goes on when it is resumed; others are refused."""
    run_id = start_and_pause(api, stack, model, key)
    listed = page(api, "/runs", status="paused", limit=100)["items"]
    assert {**api.get(run_id), "messages": None} in listed
    assert {item["status"] for item in listed} == {"paused"}
    resumed = api.http.post(f"/runs/{run_id}/resume")
    assert resumed.status_code == 202
    assert resumed.headers["location"] == f"/runs/{run_id}"
    assert resumed.json()["run_id"] == run_id
    assert resumed.json()["status"] != "paused"
    assert api.result(run_id)["output"] == "ok"
    late = api.http.post(f"/runs/{run_id}/resume")
    assert (late.status_code, late.json()["type"]) == (409, "run-not-paused")
    unknown = api.http.post(f"/runs/tester.{'a' * 26}/resume")
    assert (unknown.status_code, unknown.json()["type"]) == (404, "unknown-run")


def test_cancel_of_a_paused_run(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> None:
    """A cancellation takes effect in a paused run: Restate lets it go on with that."""
    run_id = start_and_pause(api, stack, model, key)
    assert api.cancel(run_id).status_code == 202
    api.wait_for_status(run_id, "cancelled")


def test_cancel_of_a_run_that_pauses_meanwhile(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """A run that is cancelled while it is being paused ends when it is cancelled again."""
    model.script(key, [hang()])
    run_id = api.start("tester", key)
    model.wait_for(key)
    stack.administer(run_id, "pause")
    assert api.cancel(run_id).status_code == 202
    api.wait_for_status(run_id, "paused", "cancelled")
    assert api.cancel(run_id).status_code == 202
    api.wait_for_status(run_id, "cancelled")
