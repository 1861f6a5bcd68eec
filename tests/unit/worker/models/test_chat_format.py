"""A conversation in the wire format that litellm translates for each provider."""

import json
from typing import Any

import pytest

from fakes.records import NOON, model_call, pin
from outlast_worker.engine.records import Opaque, StoredMessage
from outlast_worker.models.chat_format import wire_messages, wire_tools
from outlast_worker.models.sent_back import sent_back


def said(role: str, content: Any, run_id: str = "r", **more: Any) -> StoredMessage:
    return StoredMessage.model_validate(
        {
            "id": "1",
            "role": role,
            "content": content,
            "run_id": run_id,
            "created_at": NOON,
            **more,
        }
    )


def asking(*call_ids: str, opaque: Opaque | None = None, **more: Any) -> StoredMessage:
    calls = [{"call_id": made, "name": "refund", "arguments": {"cents": 5}} for made in call_ids]
    return said("assistant", "", tool_calls=calls, opaque=opaque, **more)


def given(*call_ids: str | None, provider: str = "openai", **fields: Any) -> Opaque:
    return Opaque(
        provider=provider,
        fields=fields,
        call_ids=list(call_ids),
        call_fields=[{} for _ in call_ids],
    )


def sent(*messages: StoredMessage, model: str = "openai/x") -> list[dict[str, Any]]:
    return wire_messages(model_call(model=model, messages=messages))[1:]


def test_instructions_come_first() -> None:
    """The pinned instructions are the system message."""
    assert wire_messages(model_call())[0] == {"role": "system", "content": "Be brief."}


def test_conversation() -> None:
    """Questions, calls, results and answers have the wire's roles and names."""
    wire = sent(
        said("user", "Refund it."),
        asking("1.0"),
        said("tool", "{}", call_id="1.0", is_error=False),
        said("assistant", "Done."),
    )
    made = wire[1]["tool_calls"][0]["id"]
    assert wire == [
        {"role": "user", "content": "Refund it."},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": made,
                    "type": "function",
                    "function": {"name": "refund", "arguments": '{"cents": 5}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": made, "content": "{}"},
        {"role": "assistant", "content": "Done."},
    ]


def test_parts() -> None:
    """Texts, images and files become the wire's parts."""
    parts = [
        {"type": "text", "text": "See:"},
        {"type": "image", "url": "https://x/y.png"},
        {"type": "file", "url": "data:application/pdf;base64,AA==", "name": "a.pdf"},
        {"type": "file", "url": "data:application/pdf;base64,AA=="},
    ]
    assert sent(said("user", parts))[0]["content"] == [
        {"type": "text", "text": "See:"},
        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
        {
            "type": "file",
            "file": {"file_data": "data:application/pdf;base64,AA==", "filename": "a.pdf"},
        },
        {
            "type": "file",
            "file": {"file_data": "data:application/pdf;base64,AA==", "filename": "document.pdf"},
        },
    ]


@pytest.mark.parametrize("content", ["", []])
def test_an_empty_answer(content: Any) -> None:
    """An answer without text or calls is not sent: providers refuse the whole request for it."""
    wire = sent(said("user", "?"), said("assistant", content), said("user", "!"))
    assert [message["content"] for message in wire] == ["?", "!"]


def test_what_only_the_model_is_told() -> None:
    """It reads why a call failed, where clients see less."""
    shown = said("tool", "It failed.", call_id="1.0", told="It failed: no such table.")
    assert sent(asking("1.0"), shown)[1]["content"] == "It failed: no such table."


def test_what_was_refused() -> None:
    """What a provider refused is not sent again, but each call keeps a result."""
    wire = sent(
        said("user", "a bomb", refused="content-policy"),
        said("user", "Where is it?"),
        asking("1.0"),
        said("tool", "far too long", call_id="1.0", refused="context-too-long"),
    )
    assert [message["role"] for message in wire] == ["user", "assistant", "tool"]
    assert "left out" in wire[2]["content"]
    assert "bomb" not in json.dumps(wire)
    assert "far too long" not in json.dumps(wire)


@pytest.mark.parametrize(
    "opaque",
    [
        None,
        given("", ""),
        given(None, None),
        given("same", "same"),
        given("theirs", "other", provider="anthropic"),
    ],
    ids=["none", "empty", "null", "repeated", "elsewhere"],
)
def test_ids_are_unique(opaque: Opaque | None) -> None:
    """Whatever ids were given, each call of a request has its own, and results match."""
    turn = [asking("1.0", "1.1", opaque=opaque)]
    results = [said("tool", made, call_id=made) for made in ("1.0", "1.1")]
    wire = sent(said("user", "?"), *turn, *results, said("user", "?"), *turn, *results)
    ids = [call["id"] for message in wire for call in message.get("tool_calls", [])]
    assert len(set(ids)) == 4
    assert all(ids)
    assert [m["tool_call_id"] for m in wire if m["role"] == "tool"] == ids
    if opaque is None:
        assert all(len(made) == 9 and made.isalnum() for made in ids)


def test_runs_of_one_thread_may_share_call_ids() -> None:
    """Our call ids repeat from run to run: results stay with their own run's calls."""
    wire = sent(
        asking("1.0", run_id="a"),
        said("tool", "of a", call_id="1.0", run_id="a"),
        asking("1.0", run_id="b"),
        said("tool", "of b", call_id="1.0", run_id="b"),
    )
    assert wire[1]["tool_call_id"] == wire[0]["tool_calls"][0]["id"]
    assert wire[3]["tool_call_id"] == wire[2]["tool_calls"][0]["id"]
    assert wire[1]["tool_call_id"] != wire[3]["tool_call_id"]


def test_ids_are_the_same_each_time() -> None:
    """A request that is repeated has the same ids: providers cache by its beginning."""
    conversation = [asking("1.0"), said("tool", "{}", call_id="1.0")]
    longer = [*conversation, asking("2.0"), said("tool", "{}", call_id="2.0")]
    assert sent(*longer)[:2] == sent(*conversation)


def test_opaque_fields() -> None:
    """Its own fields go back to a provider, of the message and of each call, and to no other."""
    opaque = Opaque(
        provider="gemini",
        fields={"reasoning_content": "think"},
        call_ids=["theirs"],
        call_fields=[{"provider_specific_fields": {"thought_signature": "s"}}],
    )
    back = sent(asking("1.0", opaque=opaque), model="gemini/flash")[0]
    assert back["reasoning_content"] == "think"
    assert back["tool_calls"][0]["id"] == "theirs"
    assert back["tool_calls"][0]["provider_specific_fields"] == {"thought_signature": "s"}
    elsewhere = sent(asking("1.0", opaque=opaque), model="openai/x")[0]
    assert not {"think", "theirs", "thought_signature"} & set(json.dumps(elsewhere).split('"'))


@pytest.mark.parametrize(
    ("model", "host", "message", "call"),
    [
        ("deepseek/x", None, {"reasoning_content"}, set()),
        (
            "hosted_vllm/x",
            None,
            {"reasoning_content", "reasoning", "extra_content"},
            {"extra_content"},
        ),
        ("openrouter/x/y", None, {"reasoning_details"}, set()),
        ("groq/x", None, set(), set()),
        ("mistral/x", None, set(), set()),
        ("openai/x", "api.openai.com", set(), set()),
        ("openai/x", "api.groq.com", set(), set()),
        ("openai/x", "generativelanguage.googleapis.com", {"extra_content"}, {"extra_content"}),
        (
            "anthropic/x",
            None,
            {"reasoning_content", "thinking_blocks", "provider_specific_fields"},
            {"provider_specific_fields"},
        ),
        ("cohere/x", None, set(), set()),
    ],
)
def test_what_goes_back(model: str, host: str | None, message: set[str], call: set[str]) -> None:
    """A provider gets back what it wants of its own, and nothing that it would refuse."""
    names = (
        "reasoning_content",
        "reasoning",
        "reasoning_details",
        "extra_content",
        "thinking_blocks",
        "provider_specific_fields",
    )
    opaque = Opaque(
        provider=model.partition("/")[0],
        fields=dict.fromkeys(names, "x"),
        call_ids=["theirs"],
        call_fields=[dict.fromkeys(names, "x")],
    )
    asked = model_call(model=model, messages=[asking("1.0", opaque=opaque)])
    wire = wire_messages(asked, sent_back(opaque.provider, host))[1]
    assert wire.keys() - {"role", "content", "tool_calls"} == message
    assert wire["tool_calls"][0].keys() - {"id", "type", "function"} == call


@pytest.mark.parametrize(
    ("name", "wire_name"),
    [
        ("find order!", "find_order_"),
        ("", "_"),
        ("x" * 80, "x" * 64),
        ("functions.f", "functions_f"),
    ],
)
def test_names_that_a_model_made_up(name: str, wire_name: str) -> None:
    """A name that no tool can have is not refused by the provider in the next turn."""
    calls = [{"call_id": "1.0", "name": name, "arguments": {}}]
    wire = sent(said("assistant", "", tool_calls=calls))
    assert wire[0]["tool_calls"][0]["function"]["name"] == wire_name


def test_tools() -> None:
    """Tools are functions with name, description and parameters."""
    assert wire_tools(pin("refund").tools) == [
        {
            "type": "function",
            "function": {"name": "refund", "description": "…", "parameters": {}},
        }
    ]


IMAGE = {"type": "image", "url": "data:image/png;base64,aaaa"}


def test_results_that_are_more_than_text() -> None:
    """No provider takes an image in a result: it is shown after the results, and named there."""
    wire = sent(
        asking("1.0", "1.1"),
        said("tool", [{"type": "text", "text": "A lamp."}, IMAGE], call_id="1.0"),
        said("tool", "ok", call_id="1.1"),
        said("user", "And?"),
    )
    assert [each["role"] for each in wire] == ["assistant", "tool", "tool", "user", "user"]
    assert wire[1]["content"] == "A lamp.\n(The image 1 below belongs here.)"
    assert wire[3]["content"] == [{"type": "image_url", "image_url": {"url": IMAGE["url"]}}]


def test_calls_without_results() -> None:
    """Whatever a thread holds, each call that is sent has a result."""
    wire = sent(asking("1.0", "1.1"), said("tool", "ok", call_id="1.1"), said("user", "And?"))
    assert [each["role"] for each in wire] == ["assistant", "tool", "tool", "user"]
    ids = [call["id"] for call in wire[0]["tool_calls"]]
    assert {each["tool_call_id"] for each in wire[1:3]} == set(ids)
    assert "Nobody has given a result" in wire[2]["content"]


def test_refused_calls_go_with_their_results() -> None:
    """A call that is not sent again, since it was refused, takes its result along."""
    refused: dict[str, Any] = {"refused": "model-rejected"}
    wire = sent(
        said("user", "Hi.", **refused),
        asking("1.0", **refused),
        said("tool", "ok", call_id="1.0", **refused),
        said("user", "Again."),
    )
    assert wire == [{"role": "user", "content": "Again."}]


def test_an_id_that_comes_again() -> None:
    """Callers may name the calls of each of their messages alike."""
    wire = sent(
        asking("a"),
        said("tool", "one", call_id="a"),
        asking("a"),
        said("tool", "two", call_id="a"),
    )
    first, one, second, two = wire
    assert one["tool_call_id"] == first["tool_calls"][0]["id"] != second["tool_calls"][0]["id"]
    assert (two["tool_call_id"], two["content"]) == (second["tool_calls"][0]["id"], "two")
