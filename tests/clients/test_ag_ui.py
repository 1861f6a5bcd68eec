"""AG-UI's own HTTP client, unmodified, with all of its checks: what pages do with it."""

import shutil

import pytest

from clients.conftest import CALLED, SCRIPTS, Played
from fakes.model_server import ScriptedModel
from fakes.script import call, calls, fault, text
from fakes.stack import TestStack

SLOWLY = text("one two three four five six", pace_s=0.25)
RUNS = {
    "plain": [text("Hello you.")],
    "little_is_needed": [text("Hello you.")],
    "refused": [],
    "tools": [calls(call("look_up", word="rain"), text="Let me look."), text("A word.")],
    "failed": [fault(400)],
    "after_an_aborted_one": [SLOWLY],
    "loaded_in_mid_text": [SLOWLY],
    "twice": [SLOWLY],
    "page_tools": [calls(call("locate", of="ann"), call("paint", of="bob")), text("In Berlin.")],
    "approved": [call("transfer", cents=5), text("Sent.")],
    "called_run_asks": [call("ask", input=CALLED), text("Sent.")],
    "refused_by_text": [call("transfer", cents=5), text("Not sent.")],
    "refused_by_cancelling": [call("transfer", cents=5), text("Not sent.")],
    "edited": [text("Red.")],
    "busy": [SLOWLY],
    "stopped": [SLOWLY],
    "any_thread_id": [text("Hello you.")],
}


@pytest.fixture(scope="module")
def runs(stack: TestStack, model: ScriptedModel) -> Played:
    node = shutil.which("node") or "node"
    return Played(stack, model, [node, SCRIPTS / "ag_ui.mjs"], RUNS)


@pytest.mark.parametrize("scenario", RUNS)
def test_runs(runs: Played, scenario: str) -> None:
    """A page talks, is loaded anew, decides, runs tools, edits; no event is anything but right."""
    runs.check(scenario)
