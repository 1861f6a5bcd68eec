"""Chats of the AI SDK on the whole stack: what is said once, again, otherwise, by two at a time."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from fakes.api import Api
from fakes.chat import Chat, answer_of, decide, run_of, shown, tool_of, user
from fakes.model_server import ScriptedModel
from fakes.rights import check_rights
from fakes.script import Gate, Single, attempts, call, fault, text
from fakes.stack import TestStack
from outlast_app.keyring import hash_of_key

REGENERATE = {"trigger": "regenerate-message"}


@pytest.fixture
def chat(api: Api) -> Chat:
    return Chat(api.http)


def two_answers(
    chat: Chat, model: ScriptedModel, key: str, *later: Single
) -> tuple[dict[str, Any], ...]:
    """Say two things, and return the page's four messages; later the second answer is another."""
    model.script(key, [text("Red.")])
    model.script(f"{key} blue", [attempts(text("Blue."), *later)])
    first, second = user("u1", key), user("u2", f"{key} blue")
    one = answer_of(chat.post(first))
    two = answer_of(chat.post_last(second))
    assert (one.texts(), two.texts()) == (["Red."], ["Blue."])
    return first, shown(one), second, shown(two)


@pytest.mark.parametrize("is_whole", [True, False], ids=["the whole list", "the last alone"])
def test_another_answer(chat: Chat, model: ScriptedModel, key: str, is_whole: bool) -> None:
    """What was said before stays, however little of it the page sends."""
    first, answer, second, _ = two_answers(chat, model, key, text("Navy."))
    again = (
        chat.post(first, answer, second, **REGENERATE)
        if is_whole
        else chat.post_last(second, **REGENERATE)
    )
    assert answer_of(again).texts() == ["Navy."]
    assert chat.said() == [key, "Red.", f"{key} blue", "Navy."]
    ids = [message["id"] for message in chat.messages()]
    assert ids == ["u1", answer["id"], "u2", f"msg_{run_of(again)}"]
    assert len(chat.runs()) == 3


@pytest.mark.parametrize("is_whole", [True, False], ids=["the whole list", "the last alone"])
def test_an_edited_message(chat: Chat, model: ScriptedModel, key: str, is_whole: bool) -> None:
    """It takes the place of what was there; the same edit again is the same run."""
    first, answer, *_ = two_answers(chat, model, key)
    model.script(f"{key} green", [text("Green.")])
    edited = user("u2", f"{key} green")
    send = (
        (lambda: chat.post(first, answer, edited)) if is_whole else lambda: chat.post_last(edited)
    )
    runs = {run_of(send()) for _ in range(2)}
    assert len(runs) == 1
    assert chat.said() == [key, "Red.", f"{key} green", "Green."]


def test_the_same_again(chat: Chat, model: ScriptedModel, key: str) -> None:
    """A request that is repeated, in whatever shape, is told the answer that there was."""
    first, answer, second, _ = two_answers(chat, model, key)
    count = len(model.requests(key)), len(model.requests(f"{key} blue"))
    in_parts = user("u2", key, " blue")
    later = [
        chat.post(first, answer, second),
        chat.post_last(second),
        chat.post_last(in_parts),
        chat.post_last(second, context={"now": "later"}),
        chat.post_last(second, messageId="u2"),
    ]
    assert {run_of(each) for each in later} == {run_of(later[0])}
    assert {each.content for each in later} == {later[0].content}
    assert answer_of(later[0]).texts() == ["Blue."]
    # One that comes late, too, and wipes nothing.
    assert answer_of(chat.post(first)).texts() == ["Red."]
    assert (len(model.requests(key)), len(model.requests(f"{key} blue"))) == count
    assert chat.said() == [key, "Red.", f"{key} blue", "Blue."]


def test_a_failed_one_again(chat: Chat, model: ScriptedModel, key: str) -> None:
    """Who tries again what has failed wants a run of its own, after which it counts once."""
    model.script(key, [attempts(fault(400), text("Red."))])
    first = user("u1", key)
    failed = chat.post(first)
    assert answer_of(failed).finished == "error"
    again = [chat.post(first) for _ in range(2)]
    assert answer_of(again[0]).texts() == ["Red."]
    assert run_of(again[0]) == run_of(again[1]) != run_of(failed)
    assert chat.said() == [key, "Red."]


def test_a_key_of_the_clients_own(chat: Chat, model: ScriptedModel, key: str) -> None:
    """With it, asking anew is the same run, too, while it goes on and when it has ended."""
    gate = Gate(after_chunks=2)
    *_, second, _ = two_answers(chat, model, key, text("Navy blue.", gate=gate))
    body, headers = {"message": second, **REGENERATE}, {"Idempotency-Key": key}
    with chat.sending(body, headers) as first, chat.sending(body, headers) as again:
        gate.open()
        for each in (first, again):
            each.read()
    later = chat.send(body, headers)
    assert {run_of(each) for each in (first, again, later)} == {run_of(first)}
    assert answer_of(later).texts() == ["Navy blue."]
    assert (len(chat.runs()), model.count(f"{key} blue")) == (3, 2)


def test_unknown_alone(chat: Chat, model: ScriptedModel, key: str) -> None:
    """A last message alone that nobody knows can't be edited, nor answered anew."""
    unknown = user("u9", key)
    for body in ({"trigger": "regenerate-message"}, {"messageId": "u9"}):
        refused = chat.post_last(unknown, **body)
        assert (refused.status_code, "body.message.id" in refused.text) == (400, True)
    assert chat.post(user("", key), **REGENERATE).status_code == 400
    two_answers(chat, model, key)
    assert chat.post_last(unknown, **REGENERATE).status_code == 400
    assert chat.said() == [key, "Red.", f"{key} blue", "Blue."]


def test_two_pages(chat: Chat, model: ScriptedModel, key: str) -> None:
    """What one page says stays, whatever another one edits meanwhile."""
    first, answer, second, _ = two_answers(chat, model, key)
    gate = Gate()
    model.script(f"{key} one", [text("One.", gate=gate)])
    model.script(f"{key} two", [text("Two.")])
    one, two = user("u3", f"{key} one"), user("u4", f"{key} two")
    with ThreadPoolExecutor() as pages:
        saying = pages.submit(chat.post_last, one)
        gate.wait_reached()
        edited = chat.post(first, answer, user("u2", f"{key} green"))
        assert (edited.status_code, edited.json()["type"]) == (409, "thread-busy")
        regenerated = chat.post_last(one, **REGENERATE)
        assert (regenerated.status_code, regenerated.json()["type"]) == (409, "thread-busy")
        other = chat.post_last(user("u3", f"{key} otherwise"))
        assert other.status_code == 409
        # Another page sends; and both are told what goes on.
        queued = pages.submit(chat.post_last, two)
        list_of_all = {"messages": [first, answer, second, one]}
        with chat.resuming() as resumed, chat.sending(list_of_all) as joined:
            gate.open()
            for each in (resumed, joined):
                each.read()
                assert answer_of(each).texts() == ["One."]
        assert run_of(resumed) == run_of(joined) == run_of(saying.result())
        assert answer_of(queued.result()).texts() == ["Two."]
    said = [key, "Red.", f"{key} blue", "Blue.", f"{key} one", "One.", f"{key} two", "Two."]
    assert chat.said() == said


def test_an_edit_beside_a_message(api: Api, chat: Chat, model: ScriptedModel, key: str) -> None:
    """Sent at once, in any order, the message is on the thread in the end, and answered."""
    two_answers(chat, model, key)
    for number in range(4):
        asked, edited, gate = f"{key} {number}", f"{key} blue {number}", Gate()
        model.script(asked, [text(asked, gate=gate)])
        model.script(edited, [text(edited)])
        with ThreadPoolExecutor() as pages:
            saying = pages.submit(chat.post_last, user(f"n{number}", asked))
            editing = pages.submit(chat.post_last, user("u2", edited))
            # Until then it is not answered: an edit after that would take it away, as it should.
            assert editing.result().status_code in (200, 409)
            gate.open()
            assert answer_of(saying.result()).texts() == [asked]
        assert chat.said()[-2:] == [asked, asked]
    assert api.http.get(f"/threads/{chat.chat_id}").json()["queued"] == []


def test_while_another_answer_is_made(chat: Chat, model: ScriptedModel, key: str) -> None:
    """A page that is loaded meanwhile has each message once, as it will be."""
    gate = Gate(after_chunks=2)
    navy = text("Navy blue.", gate=gate)
    _, answer, second, _ = two_answers(chat, model, key, navy)
    with ThreadPoolExecutor() as pages:
        again = pages.submit(chat.post_last, second, **REGENERATE)
        gate.wait_reached()
        assert [each["id"] for each in chat.messages()] == ["u1", answer["id"], "u2"]
        gate.open()
        assert answer_of(again.result()).texts() == ["Navy blue."]


def test_an_answer_and_words_beside(chat: Chat, model: ScriptedModel, key: str) -> None:
    """Words beside a page's result steer the run, once; what follows is a message of its own."""
    quick = f"{key} quick"
    model.script(key, [call("locate", of="ann")])
    model.script(quick, [call("transfer", cents=5), text("Sent to Berlin!")])
    asked = user("u1", key)
    message = answer_of(chat.post(asked))
    located = {"type": "tool-locate", "state": "output-available", "output": "Berlin"}
    tool_of(message).update(located)
    said = [asked, shown(message), user("u2", quick)]
    told = [answer_of(chat.post(*said)) for _ in range(2)]
    assert {each.message_id for each in told} == {f"{message.message_id}_2"}
    assert {each.finished for each in told} == {"tool-calls"}
    first, part = (each for each in told[0].parts if each.get("toolCallId"))
    assert (first["output"], first["providerExecuted"]) == ("Berlin", True)
    part |= {"state": "approval-responded", "toolName": "transfer", "type": "dynamic-tool"}
    part["approval"] = {"id": part["toolCallId"], "approved": True}
    assert answer_of(chat.post(*said, shown(told[0]))).texts() == ["Sent to Berlin!"]
    assert len(chat.runs()) == 1


def test_ids_of_another_run(
    api: Api, chat: Chat, stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """An answer is for the run whose message it is in, and for its own chat."""
    model.script(key, [call("transfer", cents=5), text("Sent.")])
    model.script(f"{key} other", [call("transfer", cents=6), text("Sent.")])
    other = Chat(api.http)
    asked = user("u1", key)
    mine = answer_of(chat.post(asked))
    theirs = answer_of(other.post(user("u1", f"{key} other")))
    decide(mine, "transfer")
    mixed = chat.post(asked, {**shown(mine), "parts": decide(theirs, "transfer")["parts"]})
    assert (mixed.status_code, "approval.id: it names no call" in mixed.text) == (400, True)
    elsewhere = other.post(asked, shown(mine))
    assert (elsewhere.status_code, "body.id" in elsewhere.text) == (400, True)
    part = tool_of(mine)
    unsure = [part, {**part, "approval": {"id": part["toolCallId"], "approved": False}}]
    assert chat.post(asked, {**shown(mine), "parts": unsure}).status_code == 400
    waiting = api.get(chat.runs()[0])
    assert waiting["waiting_for"] == "approval"
    assert answer_of(chat.post(asked, shown(mine))).texts() == ["Sent."]
    assert len([e for e in stack.effects(tool="transfer") if chat.runs()[0] in e["key"]]) == 1


ALLOWED = {
    "invoke": {"new", "stop"},
    "read": {"stream", "messages"},
    "approve": set[str](),
    "invoke read": {"new", "again", "stop", "stream", "messages"},
    "invoke read approve": {"new", "again", "decide", "stop", "stream", "messages"},
}
"""What keys of these rights may do."""


def test_rights(stack: TestStack, model: ScriptedModel, key: str) -> None:
    """Each call needs what it does: nobody reads a run, or decides, without the right for that."""
    check_rights(
        stack,
        ALLOWED,
        lambda place, owner, api: _all_calls(model, f"{key} {place}", Chat(owner.http), api),
    )


def _all_calls(model: ScriptedModel, key: str, chat: Chat, api: Api) -> dict[str, httpx.Response]:
    """Try all on somebody else's chat, in which a decision is waited for."""
    model.script(key, [call("transfer", cents=5), text("Sent.")])
    model.script(f"{key} new", [text("New.")])
    asked = user("u1", key)
    message = answer_of(chat.post(asked))
    decide(message, "transfer")
    mine = Chat(api.http, chat.chat_id)
    return {
        "messages": mine.get("messages"),
        "again": mine.post(asked),
        "stream": mine.get("stream"),
        "decide": mine.post(asked, shown(message)),
        "new": Chat(api.http).post(user("u1", f"{key} new")),
        "stop": mine.send_to("stop"),
    }


def test_another_tenant(stack: TestStack, model: ScriptedModel, key: str) -> None:
    """Its chats of the same name are its own; it finds nobody's run by its id."""
    model.script(key, [call("transfer", cents=5), text("Sent.")])
    every = ["invoke", "read", "approve"]
    keys = {
        tenant: [{"name": "k", "sha256": hash_of_key(tenant), "rights": every}]
        for tenant in ("acme", "rival")
    }
    with stack.another_app({"APP_KEYS": json.dumps(keys)}) as url, Api(url) as api, Api(url) as foe:
        api.http.headers["authorization"] = "Bearer acme"
        foe.http.headers["authorization"] = "Bearer rival"
        mine = Chat(api.http)
        theirs = Chat(foe.http, mine.chat_id)
        asked = user("u1", key)
        message = answer_of(mine.post(asked))
        decide(message, "transfer")
        assert (theirs.messages(), theirs.get("stream").status_code) == ([], 204)
        assert theirs.send_to("stop").status_code == 204
        assert theirs.post(asked, shown(message)).status_code == 400
        assert mine.runs() == [f"{message.message_id}".removeprefix("msg_")]
        assert api.get(mine.runs()[0])["waiting_for"] == "approval"
        assert theirs.runs() == []


@pytest.mark.usual_mode
def test_as_many_streams_as_a_key_may_have(
    stack: TestStack, model: ScriptedModel, key: str
) -> None:
    """One more is refused before anything is started of which nobody could hear."""
    gate = Gate()
    model.script(key, [text("Hello.", gate=gate)])
    with stack.another_app({"APP_MAX_STREAMS_PER_KEY": "1"}) as url, Api(url) as api:
        one, other = Chat(api.http), Chat(api.http)
        with one.sending({"message": user("u1", key)}) as first:
            refused = other.post(user("u1", key))
            assert (refused.status_code, refused.json()["type"]) == (429, "key-limit")
            gate.open()
            first.read()
        assert answer_of(first).texts() == ["Hello."]
        assert other.runs() == []
        assert answer_of(other.post(user("u1", key))).texts() == ["Hello."]
