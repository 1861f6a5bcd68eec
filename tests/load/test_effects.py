"""200 calls with SIGKILLs in the middle of many: the table of README.md."""

import sys
from pathlib import Path

import pytest

from crash.effects_proof import prove
from fakes.model_server import ScriptedModel
from fakes.stack import TestStack

pytestmark = pytest.mark.load


def test_no_effect_is_doubled(tmp_path: Path, model: ScriptedModel, key: str) -> None:
    """Of 200 calls none has its effect twice, and none is lost."""
    with TestStack(tmp_path, model) as stack:
        proof = prove(stack, model, key, runs=50, kills=12)
    sys.stdout.write("\n".join(["", *proof.lines(), ""]))
    assert sum(count.calls for count in proof.tools.values()) == 200
    for tool, count in proof.tools.items():
        assert (count.doubled, count.lost) == (0, 0), (tool, count)
