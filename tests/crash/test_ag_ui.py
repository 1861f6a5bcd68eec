"""SIGKILL of each process under an AG-UI page: its list is what the run has said, once."""

import httpx
import pytest

from fakes.ag_ui_page import Page, events_of, read_until, user
from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.script import Gate, attempts, call, text
from fakes.stack import TestStack

pytestmark = pytest.mark.crash

FIRST = "one two three four five"
SECOND = "uno dos tres cuatro cinco"


@pytest.mark.parametrize("again", [FIRST, SECOND], ids=["the same", "other words"])
def test_worker_in_mid_text(
    stack: TestStack, api: Api, model: ScriptedModel, key: str, again: str
) -> None:
    """The same words are not seen twice; others take the place of the void ones."""
    gate = Gate(after_chunks=4)
    model.script(key, [attempts(text(FIRST, gate=gate), text(again))])
    page = Page(api.http)
    page.client.messages.append(user("u1", key))
    with page.streaming() as response:
        lines = response.iter_lines()
        seen = read_until(lines, "three")
        stack.worker.kill()
        stack.start_worker()
        seen += events_of(lines)
    gate.open()
    page.client.take(seen)
    assert page.client.texts() == [again]
    taken_back = [each for each in seen if each["type"] == "MESSAGES_SNAPSHOT"]
    assert bool(taken_back) == (again != FIRST)
    assert page.load().client.messages == page.client.messages


def test_app_in_mid_text(stack: TestStack, api: Api, model: ScriptedModel, key: str) -> None:
    """The stream breaks; with what it has of it, the page has all of the same answer."""
    gate = Gate(after_chunks=4)
    model.script(key, [call("look_up", word="x"), text(FIRST, gate=gate)])
    page = Page(api.http)
    page.client.messages.append(user("u1", key))
    with page.streaming() as response:
        lines = response.iter_lines()
        page.client.take(read_until(lines, "three"))
        stack.app.kill()
        with pytest.raises(httpx.TransportError):
            events_of(lines)
    stack.start_app()
    stack.wait_ready()
    with page.streaming() as response:
        gate.open()
        page.client.take(events_of(response.iter_lines()))
    assert page.client.texts() == [FIRST]
    assert [each["role"] for each in page.client.messages] == [
        "user",
        "assistant",
        "tool",
        "assistant",
    ]
    [run_id] = page.runs()
    assert stack.executions(run_id).count("model 2") == 1


def test_all_while_a_person_is_waited_for(
    stack: TestStack, api: Api, model: ScriptedModel, key: str
) -> None:
    """The page that is loaded afterwards is asked still; its answer counts, once."""
    model.script(key, [call("transfer", cents=5), text("Sent.")])
    page = Page(api.http).say("u1", key)
    stack.app.kill()
    stack.worker.kill()
    stack.restate.kill()
    stack.start_restate()
    stack.start_worker()
    stack.start_app()
    stack.wait_ready()
    loaded = page.load().run()
    resume = loaded.resume()
    told = [Page(api.http, page.thread_id) for _ in range(2)]
    for each in told:
        each.client.messages = [*loaded.client.messages]
        assert each.run(resume=resume).client.texts() == ["Sent."]
    [run_id] = page.runs()
    assert len([each for each in stack.effects(tool="transfer") if run_id in each["key"]]) == 1
