"""SIGKILL of each process under a chat: what its page shows is what the run has said, once."""

from typing import Any

import httpx
import pytest

from fakes.api import Api
from fakes.chat import Chat, answer_of, decide, read_until, run_of, user
from fakes.frames import read_frames
from fakes.model_server import ScriptedModel
from fakes.script import Gate, attempts, call, text
from fakes.stack import TestStack
from fakes.ui_message import UiMessage

pytestmark = pytest.mark.crash

FIRST = "one two three four five"
SECOND = "uno dos tres cuatro cinco"


@pytest.mark.parametrize("again", [FIRST, SECOND], ids=["the same", "other words"])
def test_worker_in_mid_text(
    stack: TestStack, api: Api, model: ScriptedModel, key: str, again: str
) -> None:
    """The same words are not seen twice; others are a part of their own, which alone is kept."""
    gate = Gate(after_chunks=4)
    model.script(key, [attempts(text(FIRST, gate=gate), text(again))])
    chat = Chat(api.http)
    with chat.sending({"messages": [user("u1", key)]}) as response:
        lines = response.iter_lines()
        seen = read_until(lines, "three")
        stack.worker.kill()
        stack.start_worker()
        seen += list(lines)
    gate.open()
    message = told(seen)
    void = [part["text"] for part in message.parts if part.get("void")]
    assert message.finished == "stop"
    assert message.texts() == [again]
    assert void == ([] if again == FIRST else ["one two three"])
    assert chat.said() == [key, again]
    # It is told from its beginning: nothing was ever void.
    whole = answer_of(chat.post(user("u1", key)))
    assert (whole.texts(), [part for part in whole.parts if part.get("void")]) == ([again], [])


def test_worker_in_mid_text_of_a_page_that_comes_back(
    stack: TestStack, api: Api, model: ScriptedModel, key: str
) -> None:
    """Who resumes while the other words are said sees those alone."""
    gates = Gate(after_chunks=4), Gate(after_chunks=5)
    model.script(key, [attempts(text(FIRST, gate=gates[0]), text(SECOND, gate=gates[1]))])
    chat = Chat(api.http)
    with chat.sending({"messages": [user("u1", key)]}) as response:
        read_until(response.iter_lines(), "three")
    stack.worker.kill()
    stack.start_worker()
    gates[1].wait_reached()
    with chat.resuming() as response:
        lines = response.iter_lines()
        seen = read_until(lines, "cuatro")
        gates[1].open()
        seen += list(lines)
    gates[0].open()
    message = told(seen)
    assert message.texts() == [SECOND]
    assert not [part for part in message.parts if part.get("void")]


def test_app_in_mid_text(stack: TestStack, api: Api, model: ScriptedModel, key: str) -> None:
    """The stream breaks without an end; resumed, and sent again, it is the same whole answer."""
    gate = Gate(after_chunks=4)
    model.script(key, [call("look_up", word="x"), text(FIRST, gate=gate)])
    chat = Chat(api.http)
    asked = user("u1", key)
    with chat.sending({"messages": [asked]}) as response:
        lines = response.iter_lines()
        seen = read_until(lines, "three")
        stack.app.kill()
        with pytest.raises(httpx.TransportError):
            seen.extend(lines)
    assert "data: [DONE]" not in seen
    stack.start_app()
    stack.wait_ready()
    with chat.resuming() as resumed, chat.sending({"messages": [asked]}) as repeated:
        gate.open()
        for each in (resumed, repeated):
            each.read()
            message = answer_of(each)
            assert message.texts() == [FIRST]
            assert message.message_id == told(seen).message_id
    assert (len(chat.runs()), len(model.requests(key))) == (1, 2)
    assert stack.executions(run_of(resumed)).count("model 2") == 1


@pytest.mark.parametrize("dies", ["restate", "all"])
def test_while_a_person_is_waited_for(
    stack: TestStack, api: Api, model: ScriptedModel, key: str, dies: str
) -> None:
    """The page that is loaded afterwards is asked still; its answer counts, once."""
    model.script(key, [call("transfer", cents=5), text("Sent.")])
    chat = Chat(api.http)
    asked = user("u1", key)
    waiting = chat.post(asked)
    assert answer_of(waiting).finished == "tool-calls"
    if dies == "all":
        stack.app.kill()
        stack.worker.kill()
    stack.restate.kill()
    stack.start_restate()
    if dies == "all":
        stack.start_worker()
        stack.start_app()
    stack.wait_ready()
    message = answer_of(chat.get("stream"))
    answered: list[dict[str, Any]] = [*chat.messages(), decide(message, "transfer")]
    told = [chat.post(*answered) for _ in range(2)]
    assert [answer_of(each).texts() for each in told] == [["Sent."]] * 2
    assert {run_of(each) for each in told} == {run_of(waiting)}
    done = [each for each in stack.effects(tool="transfer") if run_of(waiting) in each["key"]]
    assert len(done) == 1


def told(lines: list[str]) -> UiMessage:
    """Return the message that lines of a stream build, which may have been cut."""
    whole = "\n".join(lines).rpartition("\n\n")[0]
    return UiMessage().take(read_frames([f"{whole}\n\n".encode()]))
