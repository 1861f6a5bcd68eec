"""What users of openai's library do with chat completions."""

import json
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import openai
from openai import OpenAI
from playing import Native, play
from pydantic import BaseModel

LOCATE = {
    "type": "function",
    "function": {
        "name": "find_city",
        "description": "Find a city.",
        "parameters": {"type": "object", "properties": {"of": {"type": "string"}}},
    },
}


class Client:
    """OpenAI's client, as its users make it, and the native interface beside it."""

    def __init__(self, url: str) -> None:
        self.openai = OpenAI(base_url=f"{url}/v1", api_key="none", timeout=30)
        self.chat = self.openai.chat.completions
        self.native = Native(url)


def ask(key: str) -> Any:
    return [{"role": "user", "content": key}]


def refusal(ask: Callable[[], Any]) -> Any:
    """Return the error of a request that is refused."""
    try:
        ask()
    except openai.APIError as error:
        return error
    raise AssertionError("there was an answer")


def models(client: Client, key: str) -> None:
    names = [model.id for model in client.openai.models.list()]
    assert "partner" in names
    assert client.openai.models.retrieve("partner").id == "partner"
    unknown = refusal(lambda: client.openai.models.retrieve("nobody"))
    assert (unknown.status_code, unknown.code) == (404, "model_not_found")
    assert "partner" in unknown.message


def plain(client: Client, key: str) -> None:
    raw = client.chat.with_raw_response.create(
        model="partner", messages=ask(key), temperature=0.2, metadata={"case": "1"}
    )
    answer = raw.parse()
    assert answer.choices[0].message.content == "Hello you."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage
    assert answer.usage.total_tokens > 0
    run = client.native.get(f"/runs/{raw.headers['x-run-id']}")
    assert raw.headers["location"] == f"/runs/{run['run_id']}"
    assert (run["output"], run["metadata"], run["thread_id"]) == ("Hello you.", {"case": "1"}, None)
    assert answer.id == f"chatcmpl-{run['run_id']}_1"


def streamed(client: Client, key: str) -> None:
    stream = client.chat.create(
        model="partner", messages=ask(key), stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == "Hello you."
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage
    assert not chunks[-1].choices


def helper(client: Client, key: str) -> None:
    """Stream with the library's own fold."""
    with client.chat.stream(model="partner", messages=ask(key)) as stream:
        for _ in stream:
            pass
        whole = stream.get_final_completion()
    assert whole.choices[0].message.content == "Let me look.\n\nA word."


def retold(client: Client, key: str) -> None:
    """Be told loudly that a text is void; asked again with the key, hear all of the other one."""
    create: Any = client.chat.create
    headers = {"Idempotency-Key": key}
    body = {"model": "partner", "messages": ask(key), "extra_headers": headers}
    error = refusal(lambda: list(create(**body, stream=True)))
    assert error.code == "answer_restarted", error
    for stream in (True, False):
        answer = create(**body, stream=stream)
        if stream:
            chunks = [chunk for chunk in answer if chunk.choices]
            text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        else:
            text = answer.choices[0].message.content
        assert text == "uno dos tres"


def instructed(client: Client, key: str) -> None:
    messages = [{"role": "system", "content": "Say Moin."}, *ask(key)]
    assert client.chat.create(model="partner", messages=messages).choices[0].message.content


def tool_loop(client: Client, key: str) -> None:
    """Run tools as every loop does: five turns are one run."""
    messages, runs = ask(key), set()
    for turn in range(6):
        raw = client.chat.with_raw_response.create(
            model="partner", messages=messages, tools=[LOCATE]
        )
        runs.add(raw.headers["x-run-id"])
        choice = raw.parse().choices[0]
        messages.append(choice.message.model_dump(exclude_none=True))
        if choice.finish_reason == "stop":
            break
        assert choice.finish_reason == "tool_calls"
        for call in choice.message.tool_calls or ():
            assert call.type == "function"
            assert json.loads(call.function.arguments) == {"of": f"nr {turn}"}
            messages.append({"role": "tool", "tool_call_id": call.id, "content": f"city {turn}"})
    assert choice.message.content == "Five cities."
    assert len(runs) == 1
    # The same request again: the same continuation.
    again = client.chat.with_raw_response.create(model="partner", messages=messages[:-1])
    assert again.headers["x-run-id"] in runs
    assert again.parse().choices[0].message.content == "Five cities."
    # Another result: a run of its own, from the history.
    messages[-2]["content"] = "another city"
    other = client.chat.with_raw_response.create(model="partner", messages=messages[:-1])
    assert other.headers["x-run-id"] not in runs
    assert other.parse().choices[0].message.content == "Five cities."


def edited(client: Client, key: str) -> None:
    """Edit what was said: a new run, whose model sees exactly that."""
    first = client.chat.create(model="partner", messages=ask(key)).choices[0].message
    history = [*ask(f"{key} and more"), {"role": "assistant", "content": "Once."}]
    raw = client.chat.with_raw_response.create(
        model="partner", messages=[*history, *ask(f"{key} again")]
    )
    run = client.native.get(f"/runs/{raw.headers['x-run-id']}")
    said = [(message["role"], message["content"]) for message in run["messages"]]
    assert said == [
        ("user", f"{key} and more"),
        ("assistant", "Once."),
        ("user", f"{key} again"),
        ("assistant", first.content),
    ]


class Colour(BaseModel):
    name: str


def schema(client: Client, key: str) -> None:
    """Parse an answer: what did not fit, and what was said beside tools, is not in it."""
    answer = client.chat.parse(model="partner", messages=ask(key), response_format=Colour)
    assert answer.choices[0].message.parsed == Colour(name="red")


def approved(client: Client, key: str) -> None:
    """Wait for a decision that is made elsewhere."""

    def decide() -> None:
        while not (found := client.native.get("/approvals")["items"]):
            time.sleep(0.05)
        [asked] = [each for each in found if key in each["input_preview"]]
        path = f"/runs/{asked['run_id']}/approvals/{asked['approval_id']}"
        client.native.post(path, {"action": "approve"})

    person = threading.Thread(target=decide)
    person.start()
    answer = client.chat.create(model="partner", messages=ask(key))
    person.join()
    assert answer.choices[0].message.content == "Sent."


def nobody_decides(client: Client, key: str) -> None:
    """Hear after a while on what to decide, once: the library does not ask again."""
    headers = {"Idempotency-Key": key}

    def answer_to(*, stream: bool) -> None:
        create: Any = client.chat.create
        answer = create(model="partner", messages=ask(key), stream=stream, extra_headers=headers)
        list(answer if stream else ())

    for stream in (False, True):
        late = refusal(partial(answer_to, stream=stream))
        assert late.code == "approval_required", late
        assert "1.0" in late.body["message"]
    [asked] = [e for e in client.native.get("/approvals")["items"] if key in e["input_preview"]]
    path = f"/runs/{asked['run_id']}/approvals/{asked['approval_id']}"
    client.native.post(path, {"action": "reject"})
    answer = client.chat.create(model="partner", messages=ask(key), extra_headers=headers)
    assert answer.choices[0].message.content == "Not sent."
    assert answer.id == f"chatcmpl-{asked['run_id']}_1"


def failed(client: Client, key: str) -> None:
    """Hear of a run that failed, at the first attempt."""
    began = client.native.get("/runs?agent=partner&limit=100")["items"]
    error = refusal(lambda: client.chat.create(model="partner", messages=ask(key)))
    assert (error.status_code, error.code) == (400, "model_rejected"), error
    ended = client.native.get("/runs?agent=partner&limit=100")["items"]
    assert len(ended) == len(began) + 1


def refused(client: Client, key: str) -> None:
    """Be told by name what is not taken."""
    create: Any = client.chat.create
    cases = {
        "n": {"n": 2},
        "functions": {"functions": [{"name": "f", "parameters": {}}]},
        "modalities": {"modalities": ["text", "audio"], "audio": {"voice": "x", "format": "wav"}},
        "logprobs": {"logprobs": True},
        "messages.0.role": {"messages": [{"role": "function", "name": "f", "content": "x"}]},
        "messages.0.content.0.file": {
            "messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]
        },
        "temperature": {"temperature": 9},
        "tools": {"tools": [{**LOCATE, "function": {**LOCATE["function"], "name": "look_up"}}]},
    }
    for param, body in cases.items():
        error = refusal(partial(create, **{"model": "partner", "messages": ask(key), **body}))
        assert (error.status_code, error.param) == (400, param), error
    unknown = refusal(lambda: create(model="nobody", messages=ask(key)))
    assert (unknown.status_code, unknown.code) == (404, "model_not_found")


if __name__ == "__main__":
    play(dict(globals()), Client)
