"""The AI SDK's chat, unmodified, in the versions that people have: what `useChat` does."""

import shutil

import pytest

from clients.conftest import CALLED, SCRIPTS, Played
from fakes.model_server import ScriptedModel
from fakes.script import attempts, call, calls, fault, text
from fakes.stack import TestStack

SLOWLY = text("one two three four five six", pace_s=0.25)
CHAT = {
    "plain": [text("Hello you.")],
    "tools": [calls(call("look_up", word="rain"), text="Let me look."), text("A word.")],
    "failed": [fault(400)],
    "refused": [],
    "resumed_in_mid_text": [SLOWLY],
    "stopped": [SLOWLY],
    "approved": [call("transfer", cents=5), text("Sent.")],
    "called_run_asks": [call("ask", input=CALLED), text("Sent.")],
    "resumed_after_approval": [call("transfer", cents=5), SLOWLY],
    "sent_again": [text("Hello you.")],
    "tried_again": [attempts(fault(400), text("Hello you."))],
    "last_alone": [text("Hello you.")],
    "denied": [call("transfer", cents=5), text("Not sent.")],
    "client_tool": [call("locate", of="ann"), text("In Berlin.")],
    "regenerated": [text("Red.")],
    "double_click": [SLOWLY],
    "last_message_alone": [text("Hello you.")],
}


@pytest.fixture(scope="module", params=["ai", "ai-6"])
def chat(request: pytest.FixtureRequest, stack: TestStack, model: ScriptedModel) -> Played:
    node = shutil.which("node") or "node"
    return Played(stack, model, [node, SCRIPTS / "ai_sdk.mjs", request.param], CHAT)


@pytest.mark.parametrize("scenario", CHAT)
def test_chat(chat: Played, scenario: str) -> None:
    """A page sends, is loaded anew, decides, runs tools, edits."""
    chat.check(scenario)
