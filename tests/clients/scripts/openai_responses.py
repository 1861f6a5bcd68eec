"""What users of openai's library do with responses."""

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx2
import openai
from openai import OpenAI
from playing import Native, play
from pydantic import BaseModel

FIND = {
    "type": "function",
    "name": "find_city",
    "description": "Find a city.",
    "parameters": {"type": "object", "properties": {"of": {"type": "string"}}},
    "strict": False,
}


class Client:
    """OpenAI's client, as its users make it, and the native interface beside it."""

    def __init__(self, url: str) -> None:
        self.openai = OpenAI(base_url=f"{url}/v1", api_key="none", timeout=30)
        self.responses: Any = self.openai.responses
        self.native = Native(url)

    def create(self, **body: Any) -> Any:
        return self.responses.create(model="partner", **body)


def refusal(ask: Callable[[], Any]) -> Any:
    """Return the error of a request that is refused."""
    try:
        ask()
    except openai.APIError as error:
        return error
    raise AssertionError("there was an answer")


def calls_of(response: Any) -> list[Any]:
    return [item for item in response.output if item.type == "function_call"]


def output_for(call: Any, output: str) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call.call_id, "output": output}


def run_of(response: Any) -> str:
    return response.id.removeprefix("resp_").rpartition("_")[0]


def plain(client: Client, key: str) -> None:
    response = client.create(input=key, metadata={"case": "1"}, temperature=0.1, user="ann")
    assert (response.status, response.output_text) == ("completed", "Hello you.")
    assert response.usage.total_tokens == response.usage.input_tokens + 2
    assert (response.metadata, response.temperature, response.user) == ({"case": "1"}, 0.1, "ann")
    assert response.output[0].phase == "final_answer"
    again = client.responses.retrieve(response.id)
    assert again.to_dict() == response.to_dict()
    items = client.responses.input_items.list(response.id).data
    assert [item.content[0].text for item in items] == [key]
    assert client.native.get(f"/runs/{run_of(response)}")["thread_id"] is None


def streamed(client: Client, key: str) -> None:
    """Stream, and again from the middle: numbers rise, and all adds up."""
    events = list(client.create(input=key, stream=True))
    numbers = [event.sequence_number for event in events]
    assert numbers == sorted(set(numbers))
    text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert text == "One two three four."
    last = events[-1].response
    assert last.to_dict() == client.responses.retrieve(last.id).to_dict()
    for index in range(len(events)):
        rest = client.responses.retrieve(last.id, stream=True, starting_after=numbers[index])
        told = list(rest)
        assert all(event.sequence_number > numbers[index] for event in told)
        seen = [*events[: index + 1], *told]
        text = "".join(e.delta for e in seen if e.type == "response.output_text.delta")
        assert text == "One two three four."
        kinds = [e.type for e in seen if e.type != "response.output_text.delta"]
        assert kinds == [e.type for e in events if e.type != "response.output_text.delta"]


def helper(client: Client, key: str) -> None:
    """Stream with the library's own fold."""
    with client.responses.stream(model="partner", input=key) as stream:
        for _ in stream:
            pass
        final = stream.get_final_response()
    assert final.output_text == "Let me look.A word."
    assert [item.type for item in final.output] == ["message", "mcp_call", "message"]
    assert final.output[1].server_label == "partner"
    assert final.output[1].output == "rain: a word"


class Colour(BaseModel):
    name: str


def retold(client: Client, key: str) -> None:
    """Hear another text when the model breaks off in the middle: the last one alone counts."""
    with client.responses.stream(model="partner", input=key) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert final.output_text == "uno dos tres"
    assert [kinds.count(f"response.content_part.{what}") for what in ("added", "done")] == [2, 2]
    assert kinds.count("response.output_item.added") == 1


def said_again(client: Client, key: str) -> None:
    """Hear the same text when the model breaks off in the middle: nobody notices."""
    with client.responses.stream(model="partner", input=key) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert final.output_text == "one two three four five"
    assert kinds.count("response.content_part.added") == 1


class Losing(httpx2.HTTPTransport):
    """Loses the first answer, once the server has given it: as a proxy that dies."""

    lost = 0

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = super().handle_request(request)
        if self.lost:
            return answer
        self.lost += 1
        answer.read()
        raise httpx2.RemoteProtocolError("the server went away")


def lost_answer(client: Client, key: str) -> None:
    """Have the library ask again by itself: with a key that is the same run."""
    losing = Losing()
    http = httpx2.Client(transport=losing)
    impatient: Any = OpenAI(base_url=client.openai.base_url, api_key="none", http_client=http)
    metadata = {"case": key.replace(" ", "-")}
    headers = {"Idempotency-Key": key}
    body = {"model": "partner", "input": key, "metadata": metadata}
    response = impatient.responses.create(**body, extra_headers=headers)
    assert (response.output_text, losing.lost) == ("Once.", 1)
    runs = client.native.get(f"/runs?metadata.case={metadata['case']}")["items"]
    assert [run["run_id"] for run in runs] == [run_of(response)]


def schema(client: Client, key: str) -> None:
    """Parse an answer, unstreamed and streamed."""
    parsed = client.responses.parse(model="partner", input=key, text_format=Colour)
    assert parsed.output_parsed == Colour(name="red")
    with client.responses.stream(model="partner", input=key, text_format=Colour) as stream:
        for _ in stream:
            pass
        final = stream.get_final_response()
    assert final.output_parsed == Colour(name="red")


def tool_loop(client: Client, key: str) -> None:
    """Run tools; each output is taken once, and the chain is one run."""
    first = client.create(input=key, tools=[FIND])
    [call] = calls_of(first)
    assert json.loads(call.arguments) == {"of": "ann"}
    missing = refusal(lambda: client.create(input="well?", previous_response_id=first.id))
    assert (missing.status_code, missing.code) == (400, "missing_answers")
    assert call.call_id in missing.message
    answer = partial(client.create, previous_response_id=first.id)
    second = answer(input=[output_for(call, "Berlin")])
    assert second.output_text == "Berlin it is."
    assert (run_of(second), second.previous_response_id) == (run_of(first), first.id)
    again = answer(input=[output_for(call, "Berlin")])
    assert again.to_dict() == second.to_dict()
    other = refusal(lambda: answer(input=[output_for(call, "Rome")]))
    assert (other.status_code, other.code) == (400, "already_decided")
    assert second.id in other.message
    late = refusal(lambda: client.create(input="and?", previous_response_id=first.id))
    assert (late.status_code, late.code) == (400, "already_answered")
    items = client.responses.input_items.list(second.id).data
    assert [item.output for item in items] == ["Berlin"]


def one_by_one(client: Client, key: str) -> None:
    """Answer two calls one by one."""
    first = client.create(input=key, tools=[FIND])
    one, two = calls_of(first)
    second = client.create(input=[output_for(two, "Rome")], previous_response_id=first.id)
    assert [call.call_id for call in calls_of(second)] == [one.call_id]
    third = client.create(input=[output_for(one, "Berlin")], previous_response_id=second.id)
    assert third.output_text == "Both."
    assert run_of(third) == run_of(first)


def without_ids(client: Client, key: str) -> None:
    """Keep the history oneself: outputs find their run, and references what they name."""
    asked = {"role": "user", "content": key}
    first = client.create(input=[asked], tools=[FIND], store=False)
    [call] = calls_of(first)
    items = [asked, call.to_dict(), output_for(call, "Berlin")]
    second = client.create(input=items, tools=[FIND], store=False)
    assert run_of(second) == run_of(first)
    assert second.output_text == "Berlin it is."
    assert refusal(lambda: client.responses.retrieve(second.id)).status_code == 404
    assert client.native.get(f"/runs/{run_of(first)}")["thread_id"] is None


def references(client: Client, key: str) -> None:
    """Name what was said, twice: it is there once."""
    first = client.create(input=key)
    named = {"type": "item_reference", "id": first.output[0].id}
    asked = [{"role": "user", "content": key}, named, named, {"role": "user", "content": key}]
    second = client.create(input=asked)
    said = client.native.get(f"/runs/{run_of(second)}")["messages"]
    assert [message["role"] for message in said] == ["user", "assistant", "user", "assistant"]
    assert said[1]["content"] == "Once."
    odd = [{"type": "item_reference", "id": "msg_nobody"}, {"role": "user", "content": key}]
    assert refusal(lambda: client.create(input=odd)).status_code == 404


def approvals(client: Client, key: str) -> None:
    """Approve and reject by the API's own items; what was decided counts."""
    for approve, text in ((True, "Sent."), (False, "Sent.")):
        first = client.create(input=key)
        [asked] = [item for item in first.output if item.type == "mcp_approval_request"]
        assert (asked.name, json.loads(asked.arguments)) == ("transfer", {"cents": 5})
        decided = {
            "type": "mcp_approval_response",
            "approval_request_id": asked.id,
            "approve": approve,
            "reason": "by the book",
        }
        bad = [{**decided, "approve": "true"}]
        wrong = refusal(partial(client.create, input=bad, previous_response_id=first.id))
        assert wrong.status_code == 400
        assert client.native.get(f"/runs/{run_of(first)}")["status"] == "waiting"
        second = client.create(input=[decided], previous_response_id=first.id)
        [call] = [item for item in second.output if item.type == "mcp_call"]
        assert call.approval_request_id == asked.id
        assert (call.output == "sent 5") == approve
        assert second.output_text == text
        late = [{**decided, "approve": not approve}]
        refused = refusal(partial(client.create, input=late, previous_response_id=first.id))
        assert (refused.status_code, refused.code) == (400, "already_decided")
        assert second.id in refused.message


def chains(client: Client, key: str) -> None:
    """Go on with an earlier response twice: two conversations; a common chain is one thread."""

    def told_in(thread_id: str) -> list[str]:
        items = client.native.get(f"/threads/{thread_id}/messages?limit=100")["items"]
        return [message["content"] for message in items]

    def go_on(word: str, before: Any) -> Any:
        return client.create(input=f"{key} {word}", previous_response_id=before.id)

    def thread_of(response: Any) -> str:
        return client.native.get(f"/runs/{run_of(response)}")["thread_id"]

    def said(*words: str) -> list[str]:
        return [each for word in words for each in (f"{key} {word}", "Yes.")]

    turns = [str(turn) for turn in range(1, 21)]
    chain = [client.create(input=f"{key} 1")]
    for turn in turns[1:]:
        chain.append(go_on(turn, chain[-1]))
    assert thread_of(chain[0]) is None
    [common] = {thread_of(response) for response in chain[1:]}
    # From the first one, which is on no thread, and from a later one; both go on.
    begun = [go_on("other", chain[0]), go_on("another", chain[1])]
    ends = [go_on("then", each) for each in begun]
    own = [thread_of(each) for each in ends]
    assert own == [thread_of(each) for each in begun]
    assert len({common, *own}) == 3
    assert told_in(common) == said(*turns)
    assert told_in(own[0]) == said("1", "other", "then")
    assert told_in(own[1]) == said("1", "2", "another", "then")
    items = client.responses.input_items.list(begun[0].id).data
    assert [item.content[0].text for item in items] == [f"{key} other"]


def conversation(client: Client, key: str) -> None:
    """Talk in a conversation, read and delete it."""
    made = client.openai.conversations.create(
        items=[{"type": "message", "role": "user", "content": "before"}], metadata={"title": "x"}
    )
    response = client.create(input=key, conversation=made.id)
    assert response.conversation.id == made.id
    client.create(input=f"{key} again", conversation={"id": made.id})
    items = client.openai.conversations.items.list(made.id, order="asc").data
    texts = [item.content[0].text for item in items]
    assert texts == ["before", key, "Yes.", f"{key} again", "Yes."]
    assert client.openai.conversations.update(made.id, metadata={"title": "y"}).metadata == {
        "title": "y"
    }
    assert client.openai.conversations.delete(made.id).deleted
    gone = refusal(lambda: client.openai.conversations.retrieve(made.id))
    assert gone.status_code == 404
    both = refusal(
        lambda: client.create(input=key, conversation=made.id, previous_response_id=response.id)
    )
    assert (both.status_code, both.param) == (400, "conversation")


def background(client: Client, key: str) -> None:
    """Ask and come back: poll, cancel twice, delete."""
    began = time.monotonic()
    response = client.create(input=key, background=True)
    assert time.monotonic() - began < 2
    assert response.status in ("queued", "in_progress")
    assert refusal(lambda: client.responses.delete(response.id)).status_code == 400
    for _ in range(2):
        ended = client.responses.cancel(response.id)
        assert (ended.status, ended.id) == ("cancelled", response.id)
    client.responses.delete(response.id)
    assert refusal(lambda: client.responses.retrieve(response.id)).status_code == 404


def refused(client: Client, key: str) -> None:
    """Be told by name what is not taken."""
    file = {"role": "user", "content": [{"type": "input_file", "file_id": "file-1"}]}
    image = {"role": "user", "content": [{"type": "input_image", "file_id": "file-1"}]}
    cases: dict[str, Any] = {
        "tools.0.type": {"tools": [{"type": "web_search"}]},
        "truncation": {"truncation": "auto"},
        "top_logprobs": {"top_logprobs": 2},
        "prompt": {"prompt": {"id": "p"}},
        "input.0.content.0.file_data": {"input": [file]},
        "input.0.content.0.image_url": {"input": [image]},
        "tools": {"tools": [{**FIND, "name": "look_up"}]},
        "input": {"input": []},
    }
    for param, body in cases.items():
        error = refusal(partial(client.create, **{"input": key, **body}))
        assert (error.status_code, error.param) == (400, param), (error, error.param)
    for unknown in ("resp_x", "resp_partner.aaaaaaaaaaaaaaaaaaaaaaaaaa_1"):
        assert refusal(partial(client.responses.retrieve, unknown)).status_code == 404
    assert refusal(lambda: client.responses.create(model="x", input=key)).code == "model_not_found"
    compact = refusal(lambda: client.responses.compact(model="partner", input=key))
    assert compact.status_code == 404


if __name__ == "__main__":
    play(dict(globals()), Client)
