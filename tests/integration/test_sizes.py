"""What is too large for Restate's journal is refused in time, with words."""

from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.script import call, calls, text
from fakes.stack import TestStack
from outlast_worker.engine.run_size import MAX_RUN_BYTES

_BIG = 255_000  # a result may have 256 KiB


def test_results_end_where_the_journal_does(api: Api, model: ScriptedModel, key: str) -> None:
    """A run that has gathered more than Restate can hold goes on without further results."""
    turn = calls(*[call("big", size=_BIG)] * 60)
    model.script(key, [turn, turn, text("enough")])
    run = api.run("tester", key)
    assert (run["status"], run["output"]) == ("completed", "enough")
    results = [m for m in run["messages"] if m["role"] == "tool"]
    assert len(results) == 120
    refused = [m["content"] for m in results if m["is_error"]]
    assert len(refused) == 120 - MAX_RUN_BYTES // _BIG
    assert "the run has reached its limit" in refused[0]


def test_approvals_are_written_once(
    api: Api, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """What many approvals write grows with their number, not with its square."""
    count, text_bytes = 20, 5_000
    asked = [call("publish", text="x" * text_bytes) for _ in range(count)]
    model.script(key, [calls(*asked), text("done")])
    run_id = api.start("tester", key, metadata={"note": "y" * text_bytes})
    api.wait_for_approval(run_id, count)
    *others, last = (f"1.{index}" for index in range(count))
    for approval_id in others:
        assert api.decide(run_id, approval_id, "reject").status_code == 200
    run = api.wait_for_approval(run_id)
    assert {each["approval_id"] for each in run["approvals"]} == {*others, last}
    assert run["metadata"] == {"note": "y" * text_bytes}
    [written] = stack.query(
        "SELECT sum(raw_length) AS bytes FROM sys_journal WHERE entry_type = 'Command: SetState'"
        f" AND id = '{stack.invocation_id(run_id)}'"
    )
    # In the message, in the approval and in its event; the order is kept, too.
    assert written["bytes"] < 5 * count * text_bytes
    assert api.decide(run_id, last, "reject").status_code == 200
    ended = api.result(run_id)
    assert [each["resolution"]["action"] for each in ended["approvals"]] == ["reject"] * count
    assert ended["metadata"] == run["metadata"]


def test_conversation_that_no_run_can_read(api: Api, model: ScriptedModel, key: str) -> None:
    """A thread that would grow too long is summed up for whoever goes on, and stays readable."""
    thread_id, large = key.replace(" ", "-"), "x" * 7_500_000
    for index in range(2):
        model.script(f"{key} #{index}", [text("read")])
        api.run("tester", f"{large} {key} #{index}", thread_id=thread_id)
    thread = api.http.get(f"/threads/{thread_id}").json()
    assert (thread["message_count"], thread["summary"]["messages"]) == (4, 2)
    run = api.run("tester", f"{key} #0", thread_id=thread_id)
    assert (run["status"], run["error"], run["output"]) == ("completed", None, "read")
    page = api.http.get(f"/threads/{thread_id}/messages", params={"limit": 1, "cursor": "3"})
    assert page.json()["items"][0]["content"] == "read"
