"""One run, whatever protocol its clients speak: begun by one, watched by all, decided on by any."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import uuid4

import pytest

from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.protocols import PROTOCOLS, Begun, said_by_chat
from fakes.script import Gate, call, text
from fakes.stack import TestStack

_ANSWER = "Sent to ann today."


@dataclass
class _Cell:
    """A run of the table, and what those see of its answer who watch it."""

    begun: Begun
    gate: Gate
    streams: dict[str, Iterator[str]] = field(default_factory=dict[str, Iterator[str]])


@pytest.mark.parametrize("begins", PROTOCOLS)
def test_begun_here_watched_and_decided_there(
    stack: TestStack, api: Api, model: ScriptedModel, begins: str
) -> None:
    """All see what is asked, the answer while it is written, and the same end; it is done once."""
    starter = PROTOCOLS[begins]
    deciding = [name for name, each in PROTOCOLS.items() if each.decides(starter)]
    watching = [name for name, each in PROTOCOLS.items() if each.watches(starter)]
    cells = {name: _begin(api, model, begins) for name in deciding}
    for decides, cell in cells.items():
        for name in watching:
            asked = PROTOCOLS[name].asked
            assert asked
            assert asked(api, cell.begun) == {"1.0"}, (decides, name)
        approve = PROTOCOLS[decides].approve
        assert approve
        approve(api, cell.begun, "1.0")

    for decides, cell in cells.items():
        cell.gate.wait_reached()
        for name in watching:
            watch = PROTOCOLS[name].watch
            assert watch
            cell.streams[name] = watch(api, cell.begun)
            shown = next(cell.streams[name])
            assert shown in ("Sent", "Sent to"), (decides, name)
        cell.gate.open()

    for decides, cell in cells.items():
        for name, stream in cell.streams.items():
            assert [*stream][-1] == _ANSWER, (decides, name)
        if cell.begun.stream:
            assert said_by_chat(cell.begun.stream) == _ANSWER
        run = api.result(cell.begun.run_id)
        assert (run["status"], run["output"]) == ("completed", _ANSWER)
        assert [each["resolution"]["action"] for each in run["approvals"]] == ["approve"]
        sent = [each["key"] for each in stack.effects(tool="transfer")]
        assert sum(cell.begun.run_id in each for each in sent) == 1


def _begin(api: Api, model: ScriptedModel, begins: str) -> _Cell:
    key, gate = uuid4().hex, Gate(after_chunks=3)
    model.script(key, [call("transfer", cents=5), text(_ANSWER, gate=gate)])
    return _Cell(PROTOCOLS[begins].start(api, key), gate)
