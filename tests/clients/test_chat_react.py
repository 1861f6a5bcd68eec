"""The example's page (`examples/chat-react`): its types, and what a person does there."""

import os
import shutil
import subprocess

import pytest

from clients.conftest import SCRIPTS, Played
from fakes.model_server import ScriptedModel
from fakes.repository import ROOT
from fakes.script import Ending, attempts, call, cut, fault, text
from fakes.stack import TestStack

EXAMPLE = ROOT / "examples/chat-react"
SLOWLY = text("one two three four five six", pace_s=0.25)
PAGE = {
    "plain": [text("Hello you.")],
    "approved": [call("transfer", cents=5), text("Sent.")],
    "denied": [call("transfer", cents=5), text("Not sent.")],
    "reloaded_in_mid_text": [SLOWLY],
    "stopped": [SLOWLY],
    "stopped_while_asked": [call("transfer", cents=5)],
    "tool_of_the_page": [call("find_user", city_only=True), text("In Rome.")],
    "tool_refused": [call("find_user", city_only=True), text("Nowhere.")],
    "retracted": [attempts(cut(SLOWLY, 5, Ending.CLOSE), text("Something else."))],
    "failed": [fault(400)],
    "unknown_agent": [],
}


@pytest.fixture(scope="module")
def page(stack: TestStack, model: ScriptedModel) -> Played:
    node = shutil.which("node") or "node"
    return Played(stack, model, [node, SCRIPTS / "chat_react.mjs", EXAMPLE], PAGE)


@pytest.mark.parametrize("scenario", PAGE)
def test_page(page: Played, scenario: str) -> None:
    """A person says something, decides, answers, loads the page anew, stops."""
    page.check(scenario)


def test_types() -> None:
    """It fits the types of the SDK, strictly."""
    checked = subprocess.run(
        [EXAMPLE / "node_modules/.bin/tsc"],
        cwd=EXAMPLE,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )
    assert checked.returncode == 0, checked.stdout
