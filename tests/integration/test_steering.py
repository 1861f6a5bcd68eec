"""Messages to runs that go on, and what happens on a thread that is busy."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import httpx
import pytest

from fakes.api import Api
from fakes.events import assert_valid_conversation
from fakes.model_server import ScriptedModel
from fakes.script import Gate, call, text
from fakes.stack import TestStack
from fakes.waiting import wait_until
from outlast.contract import SteerOrder
from outlast.protocol import InputMessage


@pytest.fixture
def thread_id(key: str) -> str:
    """A thread of this test's own."""
    return key.replace(" ", "-")


def test_heard_before_the_next_model_call(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """A message to a run in a tool is in the next model call, in an event, and in the run."""
    said = f"{key} hurry"
    model.script(f"{key} start", [call("hold", gate=key)])
    model.script(said, [text("ok")])
    run_id = api.start("tester", f"{key} start")
    stack.wait_for_effects(1, gate=key)
    answer = api.steer(run_id, said)
    assert answer.status_code == 202
    stack.open_gate(key)
    run = api.result(run_id)
    assert run["output"] == "ok"
    assert [m["role"] for m in model.requests(said)[0].messages][-2:] == ["tool", "user"]
    [heard] = [e["message"] for e in api.events(run_id) if e["type"] == "steer.received"]
    assert (heard["id"], heard["content"]) == (answer.json()["message_id"], said)
    assert heard in run["messages"]


def test_handed_over_again(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> None:
    """What the app hands over once more, since it has heard no answer in time, is said once."""
    said = f"{key} hurry"
    model.script(f"{key} start", [call("hold", gate=key)])
    model.script(said, [text("ok")])
    run_id = api.start("tester", f"{key} start")
    stack.wait_for_effects(1, gate=key)
    message = InputMessage(role="user", content=said)
    order = SteerOrder(run_id=run_id, input=[message], at=datetime.now(UTC))
    path = f"tester/default%2F{run_id}/steer"
    with httpx.Client(base_url=f"{stack.ingress_url}/restate", trust_env=False) as restate:
        restate.headers.update({"Idempotency-Key": key, "Content-Type": "application/json"})
        first = restate.post(f"/call/{path}", content=order.model_dump_json())
        again = restate.post(f"/send/{path}", content=order.model_dump_json())
        assert (first.status_code, again.status_code) == (200, 202)
        assert restate.post(f"/call/{path}", content=order.model_dump_json()).json() == first.json()
    stack.open_gate(key)
    heard = [each["id"] for each in api.result(run_id)["messages"] if each["content"] == said]
    assert heard == [first.json()["message_id"]]


def test_during_the_last_model_call(api: Api, model: ScriptedModel, key: str) -> None:
    """A message that comes while the last answer is written makes the run answer it too."""
    gate = Gate()
    model.script(f"{key} start", [text("first", gate=gate)])
    model.script(f"{key} and?", [text("second")])
    run_id = api.start("tester", f"{key} start")
    model.wait_for(f"{key} start")
    assert api.steer(run_id, f"{key} and?").status_code == 202
    gate.open()
    run = api.result(run_id)
    assert (run["output"], run["turn"]) == ("second", 2)


def test_ended_unknown_invalid(api: Api, model: ScriptedModel, key: str) -> None:
    """A run that has ended hears nothing more."""
    model.script(key, [text("ok")])
    run_id = api.run("tester", key)["run_id"]
    late = api.steer(run_id, "hello?")
    assert (late.status_code, late.json()["type"]) == (409, "run-ended")
    assert api.steer(run_id, "hello?", {"Idempotency-Key": "k"}).status_code == 409
    assert api.steer("tester." + "a" * 26, "hello?").status_code == 404
    system = {"input": [{"role": "system", "content": "x"}]}
    assert api.http.post(f"/runs/{run_id}/messages", json=system).status_code == 422


def test_too_large(api: Api, key: str) -> None:
    """A message that would keep the run from being replayed is refused, and so is a decision."""
    run_id, large = "tester." + "a" * 26, "x" * 1_100_000
    assert api.steer(run_id, large).status_code == 413
    assert api.decide(run_id, "1.0", "reject", reason=large).status_code == 413
    assert api.post("tester", large, thread_id="t", on_busy="steer").status_code == 413


def test_repeated_request(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> None:
    """The same key is the same message, also after the end; with another body it is a 422."""
    said, headers = f"{key} hurry", {"Idempotency-Key": "k"}
    model.script(f"{key} start", [call("hold", gate=key)])
    model.script(said, [text("ok")])
    run_id = api.start("tester", f"{key} start")
    stack.wait_for_effects(1, gate=key)
    api.steer(run_id, f"{key} other")
    first = api.steer(run_id, said, headers)
    again = api.steer(run_id, said, headers)
    assert again.json() == first.json()
    assert api.steer(run_id, "slow down", headers).status_code == 422
    stack.open_gate(key)
    run = api.result(run_id)
    assert [m["content"] for m in run["messages"]].count(said) == 1
    late = api.steer(run_id, said, headers)
    assert (late.status_code, late.json()) == (202, first.json())


def test_a_hundred_at_once(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> None:
    """Of a hundred messages around a run's end, each is in the run once, or was refused."""
    count = 20 if stack.always_replays else 100
    gate = Gate()
    model.script(f"{key} start", [text("ok", gate=gate)])
    model.script(f"{key} message", [text("ok")])
    run_id = api.start("tester", f"{key} start")

    def say(index: int) -> httpx.Response:
        if index == count // 2:
            gate.open()
        return api.steer(run_id, f"{key} message {index}")

    answers = [say(0)]  # this one surely comes in time
    with ThreadPoolExecutor(32) as pool:
        answers += pool.map(say, range(1, count))
    assert {answer.status_code for answer in answers} <= {202, 409}
    taken = [i for i, answer in enumerate(answers) if answer.status_code == 202]
    run = api.result(run_id)
    heard = [m["content"] for m in run["messages"] if f"{key} message" in str(m["content"])]
    assert sorted(heard) == sorted(f"{key} message {i}" for i in taken)
    assert 0 in taken
    told = [answer.json()["message_id"] for answer in answers if answer.status_code == 202]
    ids = [message_id for message_id in told if message_id]  # null: handed over, on a busy machine
    assert {*ids} <= {m["id"] for m in run["messages"]}
    assert len({*ids}) == len(ids)


def test_queued_run_can_be_steered(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """What is said to a run that waits for its thread is in its first model call."""
    model.script(f"{key} one", [call("hold", gate=key), text("ok")])
    model.script(f"{key} m2", [text("ok")])
    first = api.start("tester", f"{key} one", thread_id=thread_id)
    stack.wait_for_effects(1, gate=key)
    second = api.start("tester", f"{key} two", thread_id=thread_id)
    for number in range(3):
        assert api.steer(second, f"{key} m{number}").status_code == 202
    stack.open_gate(key)
    assert api.result(first)["output"] == "ok"
    assert api.result(second)["output"] == "ok"
    told = [m.get("content") for m in model.requests(f"{key} m2")[0].messages]
    assert told[-4:] == [f"{key} two", f"{key} m0", f"{key} m1", f"{key} m2"]


# A thread that is busy


def _wait_until_free(api: Api, thread_id: str) -> None:
    path = f"/threads/{thread_id}"
    wait_until(lambda: api.http.get(path).json()["status"] == "idle", "a free thread")


def _hold(api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str) -> str:
    model.script(f"{key} holder", [call("hold", gate=key), text("held")])
    run_id = api.start("tester", f"{key} holder", thread_id=thread_id)
    stack.wait_for_effects(1, gate=key)
    return run_id


def test_reject(api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str) -> None:
    """On a busy thread no run is started; on a free one it is."""
    holder = _hold(api, stack, model, key, thread_id)
    model.script(f"{key} new", [text("ok")])
    busy = api.post("tester", f"{key} new", thread_id=thread_id, on_busy="reject")
    assert (busy.status_code, busy.json()["type"]) == (409, "thread-busy")
    assert busy.json()["run_id"] == holder
    stack.open_gate(key)
    api.result(holder)
    _wait_until_free(api, thread_id)
    assert api.run("tester", f"{key} new", thread_id=thread_id, on_busy="reject")["output"] == "ok"


def test_interrupt(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """The holder is cancelled, and the new run goes before those in line."""
    holder = _hold(api, stack, model, key, thread_id)
    for name in ("waiting", "urgent"):
        model.script(f"{key} {name}", [text(name)])
    waiting = api.start("tester", f"{key} waiting", thread_id=thread_id)
    urgent = api.run("tester", f"{key} urgent", thread_id=thread_id, on_busy="interrupt")
    assert urgent["output"] == "urgent"
    assert api.get(holder)["status"] == "cancelled"
    assert api.result(waiting)["started_at"] >= urgent["ended_at"]
    _wait_until_free(api, thread_id)
    runs = [m["run_id"] for m in api.messages(thread_id)]
    assert list(dict.fromkeys(runs)) == [holder, urgent["run_id"], waiting]
    assert_valid_conversation(api.messages(thread_id))


def test_interrupt_twice(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """The last one counts: those that came before it are cancelled, in line or not."""
    holder = _hold(api, stack, model, key, thread_id)
    for name in ("waiting", "last"):
        model.script(f"{key} {name}", [text(name)])
    waiting = api.start("tester", f"{key} waiting", thread_id=thread_id)
    earlier = list[str]()
    for index in range(3):
        model.script(f"{key} urgent {index}", [call("hold", gate=f"{key} never"), text("no")])
        said = f"{key} urgent {index}"
        earlier.append(api.start("tester", said, thread_id=thread_id, on_busy="interrupt"))
    last = api.run("tester", f"{key} last", thread_id=thread_id, on_busy="interrupt")
    assert last["output"] == "last"
    for run_id in (holder, *earlier):
        assert api.result(run_id)["status"] == "cancelled"
    assert api.result(waiting)["output"] == "waiting"
    _wait_until_free(api, thread_id)
    assert_valid_conversation(api.messages(thread_id))


def test_steer_a_busy_thread(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """The holder takes the input, its answer is the answer; a repeated request finds it again."""
    holder = _hold(api, stack, model, key, thread_id)
    model.script(f"{key} more", [text("more")])
    body = {"thread_id": thread_id, "on_busy": "steer"}
    headers = {"Prefer": "respond-async", "Idempotency-Key": key}
    taken = api.post("tester", f"{key} more", headers, **body)
    assert (taken.status_code, taken.json()["run_id"]) == (202, holder)
    assert taken.json()["steered"] is True
    assert taken.headers["location"] == f"/runs/{holder}"
    again = api.post("tester", f"{key} more", headers, **body)
    assert again.json()["run_id"] == holder
    assert api.post("tester", f"{key} else", headers, **body).status_code == 422
    stack.open_gate(key)
    run = api.result(holder)
    assert [m["content"] for m in run["messages"]].count(f"{key} more") == 1
    assert api.post("tester", f"{key} more", headers, **body).json()["run_id"] == holder
    assert api.http.delete(f"/threads/{thread_id}").status_code == 204
    assert api.http.get(f"/threads/{thread_id}").status_code == 404
    assert api.post("tester", f"{key} more", headers, **body).json()["run_id"] == holder


@pytest.mark.parametrize("on_busy", ["reject", "steer"])
def test_holder_that_was_killed(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str, on_busy: str
) -> None:
    """A dead run neither takes a message nor keeps a thread busy."""
    holder = _hold(api, stack, model, key, thread_id)
    stack.administer(holder, "kill")
    api.wait_for_status(holder, "failed")
    model.script(f"{key} new", [text("ok")])
    run = api.run("tester", f"{key} new", thread_id=thread_id, on_busy=on_busy)
    assert (run["output"], run["steered"]) == ("ok", False)


def test_messages_to_a_run_that_is_killed_in_line(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """What a run has taken is in the conversation, even if it never held the thread."""
    holder = _hold(api, stack, model, key, thread_id)
    queued = api.start("tester", f"{key} queued", thread_id=thread_id)
    assert api.steer(queued, f"{key} said in vain").status_code == 202
    stack.administer(queued, "kill")
    model.script(f"{key} next", [text("ok")])
    following = api.start("tester", f"{key} next", thread_id=thread_id)
    stack.open_gate(key)
    api.result(holder)
    assert api.result(following)["output"] == "ok"
    told = [m.get("content") for m in model.requests(f"{key} next")[0].messages]
    assert f"{key} said in vain" in told


def test_steer_a_free_thread(api: Api, model: ScriptedModel, key: str, thread_id: str) -> None:
    """Where nobody holds the thread, the input starts a run."""
    model.script(key, [text("ok")])
    run = api.run("tester", key, thread_id=thread_id, on_busy="steer")
    assert (run["output"], run["steered"]) == ("ok", False)


def test_on_busy_that_makes_no_sense(api: Api, key: str) -> None:
    """Without a thread nothing is busy, and a delayed run can't be decided on now."""
    assert api.post("tester", key, on_busy="steer").status_code == 422
    for on_busy in ("reject", "steer"):
        answer = api.post("tester", key, thread_id="t", on_busy=on_busy, after_s=5)
        assert answer.status_code == 422


@pytest.mark.parametrize("on_busy", ["enqueue", "reject", "interrupt", "steer"])
@pytest.mark.parametrize("count", [2, 10])
def test_race(
    api: Api, model: ScriptedModel, key: str, thread_id: str, on_busy: str, count: int
) -> None:
    """Starts that race for a thread are each carried out once, or refused; nothing is stuck."""
    for index in range(count):
        model.script(f"{key} {index};", [text(f"answer {index}", delay_s=0.05)] * (count + 1))

    def start(index: int) -> tuple[int, dict]:
        answer = api.post("tester", f"{key} {index};", thread_id=thread_id, on_busy=on_busy)
        return answer.status_code, answer.json()

    with ThreadPoolExecutor(count) as pool:
        answers = list(pool.map(start, range(count)))
    statuses = [status for status, _ in answers]
    assert set(statuses) <= ({200, 409} if on_busy == "reject" else {200})
    _wait_until_free(api, thread_id)
    messages = api.messages(thread_id)
    assert_valid_conversation(messages)
    said = [m["content"] for m in messages if m["role"] == "user"]
    expected = [f"{key} {i};" for i, status in enumerate(statuses) if status == 200]
    if on_busy == "interrupt":  # one that is cancelled before it has begun has said nothing
        done = [run for _, run in answers if run["status"] == "completed"]
        assert set(said) <= set(expected)
        assert len(said) == len(set(said))
        assert done
    else:
        assert sorted(said) == sorted(expected)
    assert 200 in statuses
