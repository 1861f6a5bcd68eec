"""Starting, reading and watching runs."""

from concurrent.futures import ThreadPoolExecutor

from fakes.api import Api
from fakes.events import assert_events_are_whole, assert_valid_conversation
from fakes.model_server import ScriptedModel
from fakes.script import Gate, call, calls, text
from fakes.stack import TestStack
from fakes.waiting import wait_until


def test_plain_start_answers_with_the_ended_run(api: Api, model: ScriptedModel, key: str) -> None:
    """A plain start waits and returns the run, with its messages, usage and times."""
    model.script(key, [call("note", text="a"), text("All done.")])
    answer = api.post("tester", key, metadata={"ticket": "7"})
    run = answer.json()
    assert answer.status_code == 200
    assert answer.headers["location"] == f"/runs/{run['run_id']}"
    assert (run["status"], run["output"], run["turn"]) == ("completed", "All done.", 2)
    assert [m["role"] for m in run["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert run["messages"][2]["content"] == "noted a"
    assert run["usage"]["model_calls"] == 2
    assert run["usage"]["tool_calls"] == 1
    assert run["metadata"] == {"ticket": "7"}
    assert run["created_at"] <= run["started_at"] <= run["ended_at"]
    assert_valid_conversation(run["messages"])
    assert api.get(run["run_id"]) == run
    assert api.result(run["run_id"]) == run


def test_async_start_returns_at_once(api: Api, model: ScriptedModel, key: str) -> None:
    """`Prefer: respond-async` answers 202 while the run goes on."""
    gate = Gate()
    model.script(key, [text("late", gate=gate)])
    answer = api.post("tester", key, {"Prefer": "respond-async"})
    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "respond-async"
    run_id = answer.json()["run_id"]
    model.wait_for(key)
    run = api.get(run_id)
    assert run["status"] == "running"
    assert run["engine"]["attempts"] >= 1
    gate.open()
    assert api.result(run_id)["output"] == "late"


def test_messages_of_a_run_that_goes_on(api: Api, model: ScriptedModel, key: str) -> None:
    """They are those that it will have at its end, as far as they are committed."""
    gate = Gate()
    turn = calls(call("note", text="a"), call("note", text="b"))
    model.script(key, [turn, text("done", gate=gate)])
    run_id = api.start("tester", key)
    assert api.post("tester", key, {"Prefer": "respond-async"}).json()["messages"] == []
    model.wait_for(key, turn=2)
    so_far = api.get(run_id)["messages"]
    waited = api.http.get(f"/runs/{run_id}/result", headers={"Prefer": "wait=0"})
    assert waited.headers["preference-applied"] == "wait=0"
    assert waited.json()["messages"] == so_far
    assert [m["role"] for m in so_far] == ["user", "assistant", "tool", "tool"]
    gate.open()
    whole = api.result(run_id)["messages"]
    times = {"created_at": None}
    assert [{**m, **times} for m in whole[:4]] == [{**m, **times} for m in so_far]


def test_waiting_has_an_end(api: Api, model: ScriptedModel, key: str) -> None:
    """`Prefer: wait=1` answers 202 with the run so far when the run takes longer."""
    gate = Gate()
    model.script(key, [text("late", gate=gate)])
    answer = api.post("tester", key, {"Prefer": "wait=1"})
    assert answer.status_code == 202
    run = answer.json()
    assert run["status"] == "running"
    again = api.http.get(f"/runs/{run['run_id']}/result", headers={"Prefer": "wait=0"})
    assert again.status_code == 202
    gate.open()
    assert api.result(run["run_id"])["output"] == "late"


def test_events_are_numbered_and_resumable(api: Api, model: ScriptedModel, key: str) -> None:
    """The stream goes on from any event, and answers 204 when nothing is left."""
    model.script(key, [calls(call("note", text="a"), call("note", text="b")), text("ok")])
    run = api.run("tester", key)
    events = api.events(run["run_id"])
    assert_events_are_whole(events, run)
    kinds = [event["type"] for event in events]
    assert kinds[:5] == [
        "run.started",
        "turn.started",
        "message.completed",
        "tool_call.started",
        "tool_call.started",
    ]
    assert api.events(run["run_id"], after=4) == events[4:]
    path = f"/runs/{run['run_id']}/events"
    resumed = api.http.get(path, headers={"Last-Event-ID": str(len(events) - 1)})
    assert resumed.text.count("event: ") == 1
    assert api.http.get(path, params={"after": len(events)}).status_code == 204
    assert api.http.get(path, headers={"Last-Event-ID": "x"}).status_code == 422


def test_events_can_be_watched_from_the_start(api: Api, model: ScriptedModel, key: str) -> None:
    """A stream opened while the run goes on delivers each event once and then ends."""
    gate = Gate()
    model.script(key, [call("note", text="a"), text("ok", gate=gate)])
    run_id = api.start("tester", key)
    with ThreadPoolExecutor(1) as pool:
        watched = pool.submit(api.events, run_id)
        model.wait_for(key, turn=2)
        gate.open()
        events = watched.result(30)
    assert_events_are_whole(events, api.result(run_id))


def test_context_fills_in_the_instructions(api: Api, model: ScriptedModel, key: str) -> None:
    """`{{company}}` comes from the context; without it the start is a 422 that names it."""
    model.script(key, [text("hi")])
    api.run("greeter", key, context={"company": "Acme"})
    assert model.requests(key)[0].messages[0]["content"] == "You greet for Acme."
    missing = api.post("greeter", key)
    assert missing.status_code == 422
    assert missing.json()["errors"][0]["field"] == "body.context.company"


def test_turn_limit_ends_the_run_as_incomplete(api: Api, model: ScriptedModel, key: str) -> None:
    """A run that reaches its turn limit says so; a lower limit of the request counts."""
    model.script(key, [call("note", text="1"), call("note", text="2"), text("never")])
    run = api.run("short", key)
    assert (run["status"], run["incomplete_reason"]) == ("incomplete", "max_turns")
    assert run["usage"]["model_calls"] == 2
    assert_valid_conversation(run["messages"])
    run = api.run("short", key, limits={"max_turns": 1})
    assert run["usage"]["model_calls"] == 1


def test_delayed_run_waits_for_its_time(api: Api, model: ScriptedModel, key: str) -> None:
    """`after_s` starts the run later; until then it waits for its timer."""
    model.script(key, [text("at last")])
    run_id = api.start("tester", key, after_s=1.5, thread_id=key.replace(" ", "-"))
    run = api.wait_for_status(run_id, "waiting")
    assert run["waiting_for"] == "timer"
    assert model.count(key) == 0
    run = api.result(run_id)
    assert run["output"] == "at last"
    assert run["started_at"] > run["created_at"]
    wait_until(lambda: len(api.messages(key.replace(" ", "-"))) == 2, "both messages")


def test_same_idempotency_key_is_the_same_run(api: Api, model: ScriptedModel, key: str) -> None:
    """A repeated request finds its run; another body under the same key is refused."""
    model.script(key, [text("once")])
    headers = {"Idempotency-Key": key}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: api.post("tester", key, headers), range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["run_id"] for answer in answers}) == 1
    assert model.count(key) == 1
    assert api.post("tester", f"{key} more", headers).status_code == 422
    other = api.post("tester", f"{key} more", {**headers, "Prefer": "respond-async"})
    assert other.json()["type"] == "idempotency-conflict"


def test_order_of_names_in_a_repeated_body(api: Api, model: ScriptedModel, key: str) -> None:
    """A client that writes the same object in another order has sent the same body."""
    model.script(key, [text("once")])
    headers = {"Idempotency-Key": key}
    first = api.post("tester", key, headers, context={"a": 1, "b": {"c": 2, "d": 3}}).json()
    again = api.post("tester", key, headers, context={"b": {"d": 3, "c": 2}, "a": 1}).json()
    assert again == first
    other = api.post("tester", key, headers, context={"a": 2})
    assert other.status_code == 422
    assert other.json()["errors"][0]["field"] == "header.idempotency-key"


def test_same_idempotency_key_on_a_thread(api: Api, model: ScriptedModel, key: str) -> None:
    """On a thread too, during the run and after it; the conversation has the turn once."""
    gate = Gate()
    model.script(key, [text("once", gate=gate)])
    thread_id, headers = key.replace(" ", "-"), {"Idempotency-Key": key}
    first = api.start("tester", key, headers, thread_id=thread_id)
    model.wait_for(key)
    assert api.start("tester", key, headers, thread_id=thread_id) == first
    conflict = api.post("tester", f"{key} more", headers, thread_id=thread_id)
    assert conflict.status_code == 422
    gate.open()
    assert api.result(first)["output"] == "once"
    again = api.post("tester", key, headers, thread_id=thread_id)
    assert (again.status_code, again.json()["run_id"]) == (200, first)
    wait_until(lambda: len(api.messages(thread_id)) == 2, "the thread to have the turn")
    assert api.http.get(f"/threads/{thread_id}").json()["status"] == "idle"


def test_fifty_runs_at_once(api: Api, model: ScriptedModel, key: str) -> None:
    """Fifty runs on fifty threads all end, each with its own answer."""
    for index in range(50):
        model.script(f"{key} #{index:02}", [call("note", text=str(index)), text(f"no {index}")])
    with ThreadPoolExecutor(50) as pool:
        runs = list(
            pool.map(
                lambda index: api.run(
                    "tester", f"{key} #{index:02}", thread_id=f"{key.replace(' ', '-')}.{index}"
                ),
                range(50),
            )
        )
    assert [run["output"] for run in runs] == [f"no {index}" for index in range(50)]


def test_request_headers_stay_out_of_the_journal(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """The trace is passed on and logged; authorization and cookies go nowhere."""
    gate = Gate()
    model.script(key, [text("ok", gate=gate)])
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    secret = {"Authorization": "Bearer top-secret", "Cookie": "id=top-secret"}
    run_id = api.start("tester", key, {"traceparent": trace, **secret})
    model.wait_for(key)
    began = [e for e in stack.logged("run_started") if e["run_id"] == run_id]
    assert began[0]["traceparent"].split("-")[1] == trace.split("-")[1]
    invocation = stack.invocation_id(run_id)
    journal = stack.query(f"SELECT raw FROM sys_journal WHERE id = '{invocation}'")
    assert journal
    assert "top-secret" not in str(journal)
    gate.open()
    api.result(run_id)
