"""What goes back of a model's own: its thinking as it came, and what its provider ran."""

from typing import Any

import pytest

from fakes import attempts, raw
from fakes.messages_wire import message, refusal, stream, streamed, text, thought, use
from fakes.records import NOON, model_call
from outlast import ModelSettings
from outlast_worker.engine.records import ModelRecord, Opaque, StoredMessage
from outlast_worker.models.anthropic_http.api import AnthropicHttpApi
from outlast_worker.models.anthropic_http.conversation import thoughts_in
from outlast_worker.models.hearing import Hearing
from outlast_worker.models.keys import Access
from unit.worker.models.anthropic_http.conftest import MODEL, Messenger

HM = thought("Hm.", "sig-1")
AGAIN = thought("So.", "sig-2")
HIDDEN = {"type": "redacted_thinking", "data": "xyz"}
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"q": "x"}}
FOUND = {
    "type": "web_search_tool_result",
    "tool_use_id": "srvtoolu_1",
    "content": [{"type": "web_search_result", "url": "https://x", "encrypted_content": "abc"}],
}
CITED = [{"type": "web_search_result_location", "url": "https://x", "cited_text": "It is."}]
DONE = streamed(text("Done."))
THINKS = ModelSettings(reasoning_effort="low")


def said(role: str, content: Any, **more: Any) -> StoredMessage:
    fields = {"id": "1", "role": role, "content": content, "run_id": "r", "created_at": NOON}
    return StoredMessage.model_validate({**fields, **more})


def conversation(got: ModelRecord) -> list[StoredMessage]:
    """Return what is said once an answer came, as it is read from the journal."""
    got = ModelRecord.model_validate_json(got.model_dump_json())
    made = [
        {"call_id": f"1.{n}", "name": call.name, "arguments": {"cents": 5}}
        for n, call in enumerate(got.calls)
    ]
    answer = said("assistant", got.text, tool_calls=made or None, opaque=got.opaque)
    results = [said("tool", "{}", call_id=call["call_id"]) for call in made]
    return [said("user", "Refund it."), answer, *results]


async def second(messages: Messenger, history: list[StoredMessage], **more: Any) -> Any:
    """Ask with that history, and return what was said of the answer in it."""
    before = messages.ask.server.count(messages.path)
    await messages.answer(DONE, history=history, **more)
    body = messages.bodies[before]
    return next(each for each in body["messages"] if each["role"] == "assistant")["content"]


REFUND = use("refund", cents=5)


@pytest.mark.parametrize(
    "content",
    [
        [HM, REFUND],
        [HM, HIDDEN, text("Wait."), REFUND],
        [text("Wait."), REFUND],
        [HM, text("Wait."), AGAIN, REFUND],
        [HM, SEARCH, FOUND, text("It is."), AGAIN, REFUND],
        [SEARCH, FOUND, text("See: "), text("It is.", citations=CITED), REFUND],
        [REFUND, text("I call that."), use("refund", "toolu_2", cents=5)],
        [{**REFUND, "caller": {"type": "code_execution_20250825", "tool_id": "srvtoolu_1"}}],
    ],
    ids=["call", "hidden", "plain", "interleaved", "searched", "cited", "odd", "called by code"],
)
async def test_blocks_as_they_came(messages: Messenger, content: list[Any]) -> None:
    """After a crash too a model gets back what it said, in the order in which it came."""
    got = await messages.answer(streamed(*content, stop_reason="tool_use"), settings=THINKS)
    assert await second(messages, conversation(got), settings=THINKS) == content


async def test_the_usual_order_is_kept_as_litellm_keeps_it(messages: Messenger) -> None:
    """A worker that calls through litellm goes on from it."""
    got = await messages.answer(streamed(HM, text("Wait."), REFUND, stop_reason="tool_use"))
    assert got.opaque == Opaque(
        provider="anthropic",
        fields={"thinking_blocks": [HM]},
        call_ids=["toolu_1"],
        call_fields=[{}],
    )


async def test_a_run_begun_through_litellm(messages: Messenger) -> None:
    """What litellm has kept goes back as thinking; its own fields go nowhere."""
    opaque = Opaque(
        provider="anthropic",
        fields={
            "reasoning_content": "Hm.",
            "thinking_blocks": [{**HM, "cache_control": None}, {"type": "thinking"}],
            "provider_specific_fields": {"citations": None, "thinking_blocks": [HM]},
        },
        call_ids=["toolu_9"],
        call_fields=[{"provider_specific_fields": {"x": 1}}],
    )
    calls = [{"call_id": "1.0", "name": "refund", "arguments": {"cents": 5}}]
    history = [
        said("user", "Refund it."),
        said("assistant", "Wait.", tool_calls=calls, opaque=opaque),
        said("tool", "{}", call_id="1.0"),
    ]
    assert await second(messages, history, settings=THINKS) == [
        HM,
        text("Wait."),
        {**REFUND, "id": "toolu_9"},
    ]


async def test_of_another_provider(messages: Messenger) -> None:
    """What another provider kept is not sent, and no model with a budget thinks in the middle."""
    opaque = Opaque(provider="openai", fields={"thinking_blocks": [HM]}, call_ids=["call_1"])
    opaque = opaque.model_copy(update={"call_fields": [{}]})
    calls = [{"call_id": "1.0", "name": "refund", "arguments": {"cents": 5}}]
    history = [
        said("user", "Refund it."),
        said("assistant", "", tool_calls=calls, opaque=opaque),
        said("tool", "{}", call_id="1.0"),
    ]
    [block] = await second(messages, history, settings=THINKS)
    assert block["type"] == "tool_use"
    # The question of the test comes after the result, in the same message.
    assert "thinking" not in messages.bodies[-1]


async def test_what_led_to_nothing(messages: Messenger) -> None:
    """Thinking and searches that were cut off do not go back: they would be refused."""
    cut = streamed(text("Wait."), SEARCH, HM, REFUND, stop_reason="max_tokens")
    got = await messages.answer(cut)
    assert await second(messages, conversation(got)) == [text("Wait.")]


async def test_a_pause(messages: Messenger) -> None:
    """An answer without a word goes back all the same if the provider is to go on with it."""
    got = await messages.answer(streamed(HM, SEARCH, stop_reason="pause_turn"))
    assert (got.text, got.finish_reason) == ("", "pause")
    rest = await messages.answer(streamed(FOUND, text("Found.")))
    answers = [said("assistant", each.text, opaque=each.opaque) for each in (got, rest)]
    back = await second(messages, [said("user", "Search."), *answers])
    assert back == [HM, SEARCH, FOUND, text("Found.")]


async def test_texts_that_were_mended(messages: Messenger) -> None:
    """A text that is not the one that came goes back in one piece."""
    got = await messages.answer(streamed(SEARCH, FOUND, text("It is."), text("So.")))
    history = conversation(got)
    history[1] = history[1].model_copy(update={"content": "Something else."})
    assert await second(messages, history) == [text("Something else.")]


BOUND = "messages.1.content.0: Invalid `signature` in `thinking` block. The block is bound to a …"


async def test_thinking_that_is_refused(messages: Messenger) -> None:
    """The call is made once more without it: what has changed before it can't be mended."""
    first = await messages.answer(streamed(HM, REFUND, stop_reason="tool_use"))
    history = conversation(first)
    refused = refusal(400, "invalid_request_error", BOUND)
    again = raw(b"".join(stream(message(AGAIN, text("Done.")))))
    answered = await messages.answer(attempts(again, refused, again), history=history)
    tried, healed = messages.bodies[1:]
    assert tried["messages"][1]["content"][0] == HM
    assert [block["type"] for block in healed["messages"][1]["content"]] == ["tool_use"]
    assert answered.text == "Done."


async def test_it_stays_left_out(messages: Messenger) -> None:
    """It is refused once only, and what was thought since goes back."""
    refused = refusal(400, "invalid_request_error", BOUND)
    messages.ask.server.play(messages.path, attempts(refused, DONE))
    opaque = Opaque(provider="anthropic", fields={"thinking_blocks": [HM]})
    since = Opaque(provider="anthropic", fields={"thinking_blocks": [AGAIN]})
    history = [said("user", "?"), said("assistant", "a", opaque=opaque), said("user", "!")]
    longer = [*history, said("assistant", "b", opaque=since), said("user", "?!")]
    api = AnthropicHttpApi(idle_s=10)
    for said_so_far in (history, longer):
        call = model_call(model=MODEL, messages=said_so_far)
        await api.ask(call, Access(messages.url, {}, "none", None), Hearing())
    await api.close()
    thoughts = [len(thoughts_in(body["messages"])) for body in messages.bodies]
    assert thoughts == [1, 0, 1]
    assert messages.bodies[2]["messages"][3]["content"][0] == AGAIN


async def test_other_refusals(messages: Messenger) -> None:
    """Without thinking in it a request is not repeated, whatever the words are."""
    await messages.fault(refusal(400, "invalid_request_error", BOUND))
    assert len(messages.bodies) == 1
