"""Conversations and their queue."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from fakes.api import Api
from fakes.events import assert_valid_conversation
from fakes.model_server import ScriptedModel
from fakes.script import Gate, call, fault, text
from fakes.stack import TestStack
from fakes.waiting import wait_until


@pytest.fixture
def thread_id(key: str) -> str:
    """A thread of this test's own."""
    return key.replace(" ", "-")


def test_conversation_goes_on(api: Api, model: ScriptedModel, key: str, thread_id: str) -> None:
    """The next run on a thread sees all that was said, tool calls included."""
    model.script(f"{key} one", [call("note", text="a"), text("first")])
    model.script(f"{key} two", [text("second")])
    api.run("tester", f"{key} one", thread_id=thread_id)
    api.run("support", f"{key} two", thread_id=thread_id)
    sent = model.requests(f"{key} two")[0].messages
    assert [m["role"] for m in sent] == ["system", "user", "assistant", "tool", "assistant", "user"]
    messages = wait_until(
        lambda: found if len(found := api.messages(thread_id)) == 6 else None, "six messages"
    )
    assert_valid_conversation(messages)
    assert [m["agent"] for m in messages if m["role"] == "assistant"] == [
        "tester",
        "tester",
        "support",
    ]


def test_an_ended_run_has_left_its_thread(
    api: Api, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """Who was told that a run has ended finds the thread free, and what was said on it."""
    for index in range(8):
        model.script(f"{key} #{index}", [text(f"answer {index}")])
    for index in range(4):
        api.run("tester", f"{key} #{index}", thread_id=thread_id, on_busy="reject")
        assert api.messages(thread_id)[-1]["content"] == f"answer {index}"
    for index in range(4, 8):
        run_id = api.start("tester", f"{key} #{index}", thread_id=thread_id, on_busy="reject")
        assert api.events(run_id)[-1]["type"] == "run.completed"
        assert api.http.get(f"/threads/{thread_id}").json()["status"] == "idle"
        assert len(api.messages(thread_id)) == 2 * index + 2
    assert api.http.delete(f"/threads/{thread_id}").status_code == 204


def test_ten_runs_on_one_thread_keep_their_order(
    api: Api, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """Runs on one thread go one after the other, in order of acceptance, none lost."""
    gate = Gate()
    model.script(f"{key} #0", [text("answer 0", gate=gate)])
    for index in range(1, 10):
        model.script(f"{key} #{index}", [text(f"answer {index}")])
    run_ids = [api.start("tester", f"{key} #{i}", thread_id=thread_id) for i in range(10)]
    model.wait_for(f"{key} #0")
    thread = api.http.get(f"/threads/{thread_id}").json()
    assert (thread["status"], thread["run_id"]) == ("busy", run_ids[0])
    assert thread["queued"] == run_ids[1:]
    waits = api.get(run_ids[9])
    assert (waits["status"], waits["waiting"]["kind"]) == ("queued", "turn")
    assert waits["waiting"]["run_id"] == run_ids[0]
    gate.open()
    assert [api.result(run_id)["output"] for run_id in run_ids] == [
        f"answer {index}" for index in range(10)
    ]
    messages = wait_until(
        lambda: found if len(found := api.messages(thread_id)) == 20 else None, "20 messages"
    )
    assert [m["content"] for m in messages[1::2]] == [f"answer {i}" for i in range(10)]
    events = api.events(run_ids[5])
    assert [event["type"] for event in events][:2] == ["run.queued", "run.started"]


def test_racing_starts_on_one_thread(
    api: Api, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """Ten starts that race all run, one at a time, and each is in the conversation once."""
    for index in range(10):
        model.script(f"{key} #{index}", [text(f"answer {index}")])
    with ThreadPoolExecutor(10) as pool:
        runs = list(
            pool.map(lambda i: api.run("tester", f"{key} #{i}", thread_id=thread_id), range(10))
        )
    assert {run["output"] for run in runs} == {f"answer {i}" for i in range(10)}
    messages = wait_until(
        lambda: found if len(found := api.messages(thread_id)) == 20 else None, "20 messages"
    )
    pairs = list(zip(messages[::2], messages[1::2], strict=True))
    assert all(asked["run_id"] == answered["run_id"] for asked, answered in pairs)


def test_long_conversation_is_paged(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """A turn writes what it adds: full pages stay as they are, and reading pages through."""
    for index in range(5):
        model.script(f"{key} #{index}", [text(f"{index}" * 40_000)])
        api.run("tester", f"{key} #{index}", thread_id=thread_id)
    messages = wait_until(
        lambda: found if len(found := api.messages(thread_id)) == 10 else None, "ten messages"
    )
    assert [m["content"][0] for m in messages[1::2]] == list("01234")
    pages = stack.query(
        f"SELECT key FROM state WHERE service_key = 'default/{thread_id}' AND key LIKE 'page:%'"
    )
    assert len(pages) == 3
    page = api.http.get(f"/threads/{thread_id}/messages", params={"limit": 3, "cursor": "4"})
    assert [m["id"] for m in page.json()["items"]] == [m["id"] for m in messages[4:7]]
    assert page.json()["next_cursor"] == "7"


def test_delete_a_thread(api: Api, model: ScriptedModel, key: str, thread_id: str) -> None:
    """A busy thread can't be deleted, an idle one can, an unknown one is a 404."""
    gate = Gate()
    model.script(key, [text("ok", gate=gate)])
    run_id = api.start("tester", key, thread_id=thread_id)
    model.wait_for(key)
    busy = api.http.delete(f"/threads/{thread_id}")
    assert (busy.status_code, busy.json()["type"]) == (409, "thread-busy")
    gate.open()
    api.result(run_id)
    wait_until(lambda: len(api.messages(thread_id)) == 2, "the thread to be idle")
    assert api.http.delete(f"/threads/{thread_id}").status_code == 204
    assert api.http.get(f"/threads/{thread_id}").status_code == 404
    assert api.http.delete(f"/threads/{thread_id}").json()["type"] == "unknown-thread"


def test_a_refused_message_does_not_poison_its_thread(
    api: Api, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """What a provider refuses is marked and kept, and later runs go on without it."""
    model.script(f"{key} bad", [call("note", text="a"), fault(400)])
    model.script(f"{key} good", [text("fine")])
    assert api.run("tester", f"{key} bad", thread_id=thread_id)["status"] == "failed"
    assert api.run("tester", f"{key} good", thread_id=thread_id)["output"] == "fine"
    sent = model.requests(f"{key} good")[0].messages
    assert [m["role"] for m in sent] == ["system", "user", "assistant", "tool", "user"]
    assert "left out" in sent[3]["content"]
    messages = wait_until(
        lambda: found if len(found := api.messages(thread_id)) == 5 else None, "five messages"
    )
    assert [m["refused"] for m in messages] == [None, None, "model-rejected", None, None]


def test_taking_back(api: Api, model: ScriptedModel, key: str, thread_id: str) -> None:
    """A person takes back what was said after a message, while no run holds the thread."""
    gate = Gate()
    model.script(f"{key} one", [call("note", text="a"), text("first")])
    model.script(f"{key} two", [text("second", gate=gate)])
    model.script(f"{key} three", [text("third")])
    api.run("tester", f"{key} one", thread_id=thread_id)
    run_id = api.start("tester", f"{key} two", thread_id=thread_id)
    model.wait_for(f"{key} two")
    path = f"/threads/{thread_id}/messages"
    ids = [message["id"] for message in api.messages(thread_id)]
    assert api.http.delete(path, params={"after": ids[3]}).json()["type"] == "thread-busy"
    gate.open()
    api.result(run_id)
    wait_until(lambda: len(api.messages(thread_id)) == 6, "the thread to be idle")

    def take_back(after: str) -> int:
        return api.http.delete(path, params={"after": after}).status_code

    assert take_back("unknown") == 422
    assert take_back(ids[1]) == 422, "calls would stay without their results"
    assert [take_back(ids[3]), take_back(ids[3])] == [204, 204]
    assert [message["id"] for message in api.messages(thread_id)] == ids[:4]
    api.run("tester", f"{key} three", thread_id=thread_id)
    said = [m["content"] for m in model.requests(f"{key} three")[0].messages if m["role"] == "user"]
    assert said == [f"{key} one", f"{key} three"]


def test_killed_run_leaves_its_thread(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """A thread that nobody waits for learns of its run's death from whoever looks at it."""
    model.script(key, [call("hold", gate=key)])
    run_id = api.start("tester", key, thread_id=thread_id)
    stack.wait_for_effects(1, gate=key)
    stack.administer(run_id, "kill")
    killed = api.wait_for_status(run_id, "failed")
    assert [m["role"] for m in killed["messages"]] == ["user", "assistant"]
    thread = api.http.get(f"/threads/{thread_id}").json()
    assert (thread["status"], thread["run_id"]) == ("idle", None)
    messages = wait_until(lambda: api.messages(thread_id), "what the run had said")
    assert_valid_conversation(messages)
    assert api.http.delete(f"/threads/{thread_id}").status_code == 204
    stack.open_gate(key)


@pytest.mark.parametrize("purged", [False, True])
def test_thread_of_a_killed_run_can_be_deleted(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str, *, purged: bool
) -> None:
    """No run holds the thread, whatever the thread believes."""
    model.script(key, [call("hold", gate=key)])
    run_id = api.start("tester", key, thread_id=thread_id)
    stack.wait_for_effects(1, gate=key)
    stack.administer(run_id, "kill")
    api.wait_for_status(run_id, "failed")
    if purged:
        stack.administer(run_id, "purge")
        wait_until(lambda: api.http.get(f"/runs/{run_id}").status_code == 404, "the run to be gone")
        assert api.http.get(f"/threads/{thread_id}").json()["status"] == "idle"
        # Nobody can tell a run that was purged from one that is not there yet.
        wait_until(
            lambda: api.http.delete(f"/threads/{thread_id}").is_success, "the thread to be released"
        )
    else:
        assert api.http.delete(f"/threads/{thread_id}").status_code == 204
    assert api.http.get(f"/threads/{thread_id}").status_code == 404
    stack.open_gate(key)


@pytest.mark.parametrize("who", ["reader", "starter"])
def test_killed_watch(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str, who: str
) -> None:
    """Who kills the holder and what watches it stops the line until somebody comes by."""
    model.script(f"{key} first", [call("hold", gate=key)])
    model.script(f"{key} second", [text("second")])
    first = api.start("tester", f"{key} first", thread_id=thread_id)
    stack.wait_for_effects(1, gate=key)
    second = api.start("tester", f"{key} second", thread_id=thread_id)
    held = stack.invocation_id(first)
    watches = (
        "SELECT i.id FROM sys_invocation i JOIN sys_journal j ON j.id = i.id"
        f" WHERE i.target_handler_name = 'watch' AND j.entry_json LIKE '%{held}%'"
    )
    [watch] = wait_until(lambda: stack.query(watches), "the watch")
    stack.kill_invocation(watch["id"])
    stack.administer(first, "kill")
    api.wait_for_status(first, "failed")
    if who == "reader":
        assert api.http.get(f"/threads/{thread_id}").json()["queued"] == [second]
    else:
        model.script(f"{key} third", [text("third")])
        assert api.run("tester", f"{key} third", thread_id=thread_id)["output"] == "third"
    assert api.result(second)["output"] == "second"
    stack.open_gate(key)


def test_repeated_request_for_a_purged_run(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """The thread notices that the run is gone, and goes on."""
    model.script(key, [call("hold", gate=key)])
    model.script(f"{key} next", [text("next")])
    headers = {"Idempotency-Key": key, "Prefer": "wait=1"}
    run_id = api.start("tester", key, {"Idempotency-Key": key}, thread_id=thread_id)
    stack.wait_for_effects(1, gate=key)
    stack.administer(run_id, "kill")
    stack.administer(run_id, "purge")
    wait_until(lambda: api.http.get(f"/runs/{run_id}").status_code == 404, "the run to be gone")
    api.post("tester", key, headers, thread_id=thread_id)
    wait_until(
        lambda: api.http.get(f"/threads/{thread_id}").json()["status"] == "idle",
        "the thread to be released",
    )
    assert api.run("tester", f"{key} next", thread_id=thread_id)["output"] == "next"
    stack.open_gate(key)


def test_newest_first(api: Api, model: ScriptedModel, key: str, thread_id: str) -> None:
    """A conversation can be read from its end, page by page, to its beginning."""
    for index in range(3):
        model.script(f"{key} #{index}", [text(f"answer {index}")])
        api.run("tester", f"{key} #{index}", thread_id=thread_id)
    messages = wait_until(
        lambda: found if len(found := api.messages(thread_id)) == 6 else None, "six messages"
    )
    path, params = f"/threads/{thread_id}/messages", {"order": "desc", "limit": "4"}
    first = api.http.get(path, params=params).json()
    second = api.http.get(path, params={**params, "cursor": first["next_cursor"]}).json()
    assert [*first["items"], *second["items"]] == messages[::-1]
    assert (len(first["items"]), second["next_cursor"]) == (4, None)
    assert api.http.get("/threads/nobodys/messages", params=params).status_code == 404


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "cursor=x", "order=up"])
def test_bad_pages_are_refused(api: Api, query: str) -> None:
    """A limit or cursor that can't be is a 422."""
    assert api.http.get(f"/threads/any/messages?{query}").status_code == 422
