"""OpenAI's own libraries, and others that speak its API, unmodified: over durable runs."""

import json
import shutil
import subprocess

import pytest

from clients.conftest import CALLED, PYTHON, SCRIPTS, Played
from fakes.model_server import ScriptedModel
from fakes.script import attempts, call, calls, cut, fault, text
from fakes.stack import TestStack

BROKEN_OFF = cut(text("one two three four five"), after_chunks=4)
RETOLD = [attempts(BROKEN_OFF, text("uno dos tres"))]
FIND = [call("find_city", of=f"nr {turn}") for turn in range(5)]
CHAT = {
    "models": [],
    "plain": [text("Hello you.")],
    "streamed": [text("Hello you.")],
    "helper": [calls(call("look_up", word="rain"), text="Let me look."), text("A word.")],
    "retold": RETOLD,
    "instructed": [text("Moin.")],
    "tool_loop": [*FIND, text("Five cities.")],
    "edited": [text("Once more.")],
    "schema": [
        calls(call("look_up", word="red"), text="Let me look."),
        text("Red."),
        text('{"name": "red"}'),
    ],
    "approved": [call("transfer", cents=5), text("Sent.")],
    "nobody_decides": [call("transfer", cents=5), text("Not sent.")],
    "failed": [fault(400)],
    "refused": [],
}


RED = text('{"name": "red"}')
RESPONSES = {
    "plain": [text("Hello you.")],
    "streamed": [text("One two three four.")],
    "helper": [calls(call("look_up", word="rain"), text="Let me look."), text("A word.")],
    "retold": RETOLD,
    "said_again": [attempts(BROKEN_OFF, text("one two three four five"))],
    "lost_answer": [text("Once.")],
    "schema": [calls(call("look_up", word="red"), text="Let me look."), text("Red."), RED],
    "tool_loop": [call("find_city", of="ann"), text("Berlin it is.")],
    "one_by_one": [calls(call("find_city", of="ann"), call("find_city", of="bob")), text("Both.")],
    "without_ids": [call("find_city", of="ann"), text("Berlin it is.")],
    "references": [text("Once.")],
    "approvals": [call("transfer", cents=5), text("Sent.")],
    "chains": [text("Yes.")],
    "conversation": [text("Yes.")],
    "background": [call("wait_at", gate="never"), text("There.")],
    "refused": [],
}
AGENTS = {
    "agents_plain": [text("Hello you.")],
    "agents_streamed": [text("Hello you.")],
    "agents_tools": [call("find_city", of="ann"), text("Found.")],
    "agents_chained": [call("find_city", of="ann"), text("Found.")],
    "agents_schema": [RED],
    "agents_own_tools": [call("look_up", word="rain"), text("A word.")],
    "agents_approvals": [call("transfer", cents=5), text("Sent.")],
    "agents_called_run_asks": [call("ask", input=CALLED), text("Sent.")],
}

SDK = {
    "sdk_plain": [text("Hello you.")],
    "sdk_streamed": [text("Hello you.")],
    "sdk_tools": [call("find_city", of="ann"), text("Found.")],
    "sdk_schema": [RED],
    "sdk_own_tools": [call("look_up", word="rain"), text("A word.")],
}


@pytest.fixture(scope="module")
def chat(stack: TestStack, model: ScriptedModel) -> Played:
    return Played(stack, model, [PYTHON, SCRIPTS / "openai_chat.py"], CHAT)


@pytest.fixture(scope="module")
def responses(stack: TestStack, model: ScriptedModel) -> Played:
    return Played(stack, model, [PYTHON, SCRIPTS / "openai_responses.py"], RESPONSES)


@pytest.fixture(scope="module")
def agents(stack: TestStack, model: ScriptedModel) -> Played:
    return Played(stack, model, [PYTHON, SCRIPTS / "openai_agents.py"], AGENTS)


@pytest.fixture(scope="module")
def sdk(stack: TestStack, model: ScriptedModel) -> Played:
    node = shutil.which("node") or pytest.fail("node is missing")
    return Played(stack, model, [node, SCRIPTS / "ai_sdk_openai.mjs"], SDK)


@pytest.mark.parametrize("scenario", CHAT)
def test_chat_completions(chat: Played, scenario: str) -> None:
    """What users of `chat.completions` do."""
    chat.check(scenario)


@pytest.mark.parametrize("scenario", RESPONSES)
def test_responses(responses: Played, scenario: str) -> None:
    """What users of `responses` and `conversations` do."""
    responses.check(scenario)


@pytest.mark.parametrize("scenario", AGENTS)
def test_agents(agents: Played, scenario: str) -> None:
    """What users of openai-agents do, over both APIs."""
    agents.check(scenario)


@pytest.mark.parametrize("scenario", SDK)
def test_ai_sdk(sdk: Played, scenario: str) -> None:
    """What users of the AI SDK's providers for OpenAI do, over both APIs."""
    sdk.check(scenario)


def test_types() -> None:
    """Each object and event that is recorded is what the library's types say, to each field."""
    command = [str(PYTHON), str(SCRIPTS / "openai_types.py")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert json.loads(checked.stdout)["checked"] > 400
