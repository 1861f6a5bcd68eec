"""SIGKILL of the worker that remembers a conversation: another one reads it."""

import pytest

from fakes.api import Api
from fakes.events import assert_events_are_whole
from fakes.model_server import ScriptedModel
from fakes.script import Gate, attempts, call, calls, text
from fakes.stack import TestStack

pytestmark = pytest.mark.crash


@pytest.mark.parametrize("at", ["before the run", "in its first call", "in its second call"])
def test_the_worker_that_remembers_dies(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str, at: str
) -> None:
    """The run goes on with all that was said, and each call's answer counts once."""
    first, second = Gate(), Gate()
    model.script(f"{key} one", [text("about one")])
    model.script(
        f"{key} two",
        [
            attempts(calls(call("note", text=key), gate=first), call("note", text=key)),
            attempts(text("lost", gate=second), text("about two")),
        ],
    )
    api.run("tester", f"{key} one", thread_id=thread_id)
    if at == "before the run":
        _restart_worker(stack)
    if at != "in its first call":
        first.open()
    run_id = api.start("tester", f"{key} two", thread_id=thread_id)
    model.wait_for(f"{key} two", turn=1 if at == "in its first call" else 2)
    if at != "before the run":
        _restart_worker(stack)
    for gate in (first, second):
        gate.open()
    run = api.result(run_id)
    assert run["status"] == "completed"
    assert_events_are_whole(api.events(run_id), run)
    for turn, length in ((1, 4), (2, 6)):
        for asked in model.requests(f"{key} two", turn):
            assert asked.messages[1:4] == [
                {"role": "user", "content": f"{key} one"},
                {"role": "assistant", "content": "about one"},
                {"role": "user", "content": f"{key} two"},
            ]
            assert len(asked.messages) == length
    assert [message["role"] for message in api.messages(thread_id)] == [
        "user",
        "assistant",
        "user",
        "assistant",
        "tool",
        "assistant",
    ]
    # Whoever did not know the words said so, and read them; then it knew them.
    asked_for = [step for step in stack.executions(run_id) if step.startswith("model ")]
    assert (
        asked_for
        == {
            "before the run": ["model 1", "model 1", "model 2"],
            "in its first call": ["model 1", "model 1", "model 1", "model 2"],
            "in its second call": ["model 1", "model 2", "model 2", "model 2"],
        }[at]
    )


def _restart_worker(stack: TestStack) -> None:
    stack.worker.kill()
    stack.start_worker()
