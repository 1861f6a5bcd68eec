"""Effects of tools under SIGKILLs: none is doubled, none is lost, what is in doubt is asked."""

import sys

import pytest

from crash.effects_proof import prove
from fakes.model_server import ScriptedModel
from fakes.stack import TestStack

pytestmark = pytest.mark.crash


def test_no_effect_is_doubled(stack: TestStack, model: ScriptedModel, key: str) -> None:
    """Killed in the middle of many calls, every transfer is made exactly once."""
    proof = prove(stack, model, key, runs=6, kills=3)
    sys.stdout.write("\n".join(["", *proof.lines(), ""]))
    for tool, count in proof.tools.items():
        assert (count.doubled, count.lost) == (0, 0), (tool, count)
    # What can be found out is found out: nobody is asked about it.
    assert proof.tools["send_traceable"].asked == 0
    assert proof.tools["send_keyed"].asked == 0
