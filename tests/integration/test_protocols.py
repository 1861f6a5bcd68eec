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
from outlast.names import child_run_id

_ANSWER = "Sent to ann today."


@dataclass
class _Cell:
    """A run of the table, and what those see of its answer who watch it."""

    begun: Begun
    gate: Gate
    key: str
    """What somebody has to approve."""
    streams: dict[str, Iterator[str]] = field(default_factory=dict[str, Iterator[str]])


@pytest.mark.parametrize("asks", ["itself", "called"])
@pytest.mark.parametrize("begins", PROTOCOLS)
def test_begun_here_watched_and_decided_there(
    stack: TestStack, api: Api, model: ScriptedModel, begins: str, asks: str
) -> None:
    """All see what is asked, the answer while it is written, and the same end; it is done once."""
    starter = PROTOCOLS[begins]
    deciding = [name for name, each in PROTOCOLS.items() if each.decides(starter)]
    watching = [name for name, each in PROTOCOLS.items() if each.watches(starter)]
    begin = _begin if asks == "itself" else _begin_called
    cells = {name: begin(api, model, begins) for name in deciding}
    for decides, cell in cells.items():
        for name in watching:
            asked = PROTOCOLS[name].asked
            assert asked
            assert asked(api, cell.begun) == {cell.key}, (decides, name)
        approve = PROTOCOLS[decides].approve
        assert approve
        approve(api, cell.begun, cell.key)

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
        asked, call_id = cell.begun.where(cell.key)
        approvals = api.get(asked)["approvals"]
        assert [each["resolution"]["action"] for each in approvals] == ["approve"]
        done = [*stack.effects(tool="transfer"), *stack.effects(tool="pay")]
        assert [each["key"] for each in done].count(f"{asked}:{call_id}") == 1


def _begin(api: Api, model: ScriptedModel, begins: str) -> _Cell:
    key, gate = uuid4().hex, Gate(after_chunks=3)
    model.script(key, [call("transfer", cents=5), text(_ANSWER, gate=gate)])
    return _Cell(PROTOCOLS[begins].start(api, "partner", key), gate, "1.0")


def _begin_called(api: Api, model: ScriptedModel, begins: str) -> _Cell:
    """Begin a run that calls one that calls another one, which asks."""
    key, gate = uuid4().hex, Gate(after_chunks=3)
    model.script(f"{key} chief", [call("lead", input=f"{key} lead"), text(_ANSWER, gate=gate)])
    model.script(f"{key} lead", [call("ask", input=f"{key} child"), text("Paid.")])
    model.script(f"{key} child", [call("pay", cents=5), text("Paid.")])
    begun = PROTOCOLS[begins].start(api, "chief", f"{key} chief")
    child = child_run_id("tester", child_run_id("lead", begun.run_id, "1.0"), "1.0")
    return _Cell(begun, gate, f"{child}:1.0")
