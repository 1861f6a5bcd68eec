"""Threads of several keys over AG-UI: who may not read hears only what it has started itself."""

import json
from typing import Any

import httpx

from fakes.api import Api
from fakes.frames import read_frames
from fakes.model_server import ScriptedModel
from fakes.script import Gate, text
from fakes.stack import TestStack
from outlast_app.keyring import hash_of_key

_AGENT = "/ag-ui/partner"


def _post(http: httpx.Client, thread_id: str, run_id: str, *messages: dict[str, Any]) -> str:
    """Post a list; return the answer, to its end."""
    body = {"threadId": thread_id, "runId": run_id, "messages": messages}
    answer = http.post(_AGENT, json=body)
    assert answer.status_code == 200, answer.text
    return answer.text


def _user(message_id: str, content: str) -> dict[str, Any]:
    return {"id": message_id, "role": "user", "content": content}


def test_what_others_have_said(stack: TestStack, model: ScriptedModel, key: str) -> None:
    """A key that may only start speaks on their thread, comes again with nothing, and reads none.

    Not while its own run goes on, nor by the answer of one that took the place of theirs.
    """
    gate = Gate(after_chunks=1)
    model.script(f"{key} theirs", [text("Told in confidence.")])
    model.script(f"{key} mine", [text("Mine.", gate=gate)])
    every = {"owner": ["invoke", "read"], "guest": ["invoke"]}
    keys = [{"name": n, "sha256": hash_of_key(n), "rights": r} for n, r in every.items()]
    settings = {"APP_KEYS": json.dumps({"default": keys})}
    with stack.another_app(settings) as url, Api(url) as owner, Api(url) as guest:
        owner.http.headers["authorization"] = "Bearer owner"
        guest.http.headers["authorization"] = "Bearer guest"
        theirs, mine = _user("u1", f"{key} theirs"), _user("g1", f"{key} mine")
        assert "confidence" in _post(owner.http, key, "r1", theirs)
        body = {"threadId": key, "runId": "r2", "messages": [mine]}
        with guest.http.stream("POST", _AGENT, json=body) as saying:
            run_id = saying.headers["x-run-id"]
            gate.wait_reached()
            again = {**body, "runId": "r3", "messages": []}
            with guest.http.stream("POST", _AGENT, json=again) as coming:
                gate.open()
                saying.read()
                told = coming.read().decode()
        answer = {"id": f"msg_{run_id}_1", "role": "assistant", "content": "Mine."}
        for said in (told, _post(guest.http, key, "r4", answer)):
            snapshots = [e for e in read_frames([said.encode()]) if "messages" in e]
            assert [each["id"] for each in snapshots[0]["messages"]] in ([], [answer["id"]])
            assert ("Mine." in said, "confidence" in said) == (True, False)
        assert f"{key} mine" in _post(owner.http, key, "r5", answer)
