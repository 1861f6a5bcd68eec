"""OpenAI's own library, unmodified: what its users do, over durable runs."""

import pytest

from clients.conftest import PYTHON, SCRIPTS, Played
from fakes.model_server import ScriptedModel
from fakes.script import call, calls, fault, text
from fakes.stack import TestStack

FIND = [call("find_city", of=f"nr {turn}") for turn in range(5)]
CHAT = {
    "models": [],
    "plain": [text("Hello you.")],
    "streamed": [text("Hello you.")],
    "helper": [calls(call("look_up", word="rain"), text="Let me look."), text("A word.")],
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


@pytest.fixture(scope="module")
def chat(stack: TestStack, model: ScriptedModel) -> Played:
    return Played(stack, model, [PYTHON, SCRIPTS / "openai_chat.py"], CHAT)


@pytest.mark.parametrize("scenario", CHAT)
def test_chat_completions(chat: Played, scenario: str) -> None:
    """What users of `chat.completions` do."""
    chat.check(scenario)
