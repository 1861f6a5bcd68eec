"""The journal of the current version is as it was recorded: runs in flight replay against it.

After a change of order, names or records: raise `JOURNAL_VERSION` in
`outlast_worker/engine/records/`, unless old journals still replay (a new optional field, say).
Then record anew: `RECORD_JOURNAL=1`.
"""

import json
import os
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import TypeAdapter

from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.script import Gate, call, calls, text
from fakes.stack import TestStack
from fakes.waiting import wait_until
from outlast.contract import RunOrder, SteeringMessage
from outlast.names import child_run_id
from outlast.protocol import Approval
from outlast_worker.engine.budget_book import (
    Book,
    BudgetAnswer,
    BudgetNews,
    Reservation,
    Settlement,
)
from outlast_worker.engine.records import (
    JOURNAL_VERSION,
    ApprovalCheck,
    CutOutcome,
    DurableReport,
    EffectClaim,
    EffectOutcome,
    EffectVerdict,
    ForkSource,
    HandoffOutcome,
    HookRecord,
    KeptResolution,
    ModelOutcome,
    OutputCheck,
    PinOutcome,
    StandIn,
    StoredMessage,
    ToolRecord,
)
from outlast_worker.services.durable_calls import DurableOrder, GivenSignal, OpenDurable
from outlast_worker.services.thread_calls import Delivery, ExpiryCheck, HoldUp, Join, Release, Watch
from outlast_worker.services.thread_state import Head, SteeredRequest
from outlast_worker.services.webhook_calls import RunWatch, Told
from outlast_worker.tools.durable import StepRecord
from outlast_worker.webhooks.records import Attempt

_RECORDED = Path(__file__).parent.parent / "fixtures" / f"journal-v{JOURNAL_VERSION}.json"
_RECORDS: dict[str, Any] = {
    "RunOrder": RunOrder,
    "Reservation": Reservation,
    "Settlement": Settlement,
    "BudgetAnswer": BudgetAnswer,
    "BudgetNews": BudgetNews,
    "Book": Book,
    "PinOutcome": PinOutcome,
    "ModelOutcome": ModelOutcome,
    "CutOutcome": CutOutcome,
    "StandIn": StandIn,
    "ToolRecord": ToolRecord,
    "ApprovalCheck": ApprovalCheck,
    "OutputCheck": OutputCheck,
    "EffectClaim": EffectClaim,
    "EffectOutcome": EffectOutcome,
    "EffectVerdict": EffectVerdict,
    "ForkSource": ForkSource,
    "HookRecord": HookRecord,
    "HandoffOutcome": HandoffOutcome,
    "Approval": Approval,
    "Resolution": KeptResolution,
    "SteeringMessage": SteeringMessage,
    "StoredMessage": StoredMessage,
    "Head": Head,
    "SteeredRequest": SteeredRequest,
    "Join": Join,
    "Release": Release,
    "HoldUp": HoldUp,
    "Delivery": Delivery,
    "Watch": Watch,
    "DurableOrder": DurableOrder,
    "DurableReport": DurableReport,
    "StepRecord": StepRecord,
    "GivenSignal": GivenSignal,
    "OpenDurable": OpenDurable,
    "ExpiryCheck": ExpiryCheck,
    "RunWatch": RunWatch,
    "Told": Told,
    "Attempt": Attempt,
}


_FOR_PEOPLE = ("description", "examples", "title")


def _recorded(part: str, now: Any) -> Any:
    """Return what was recorded; write it down first if that is asked for."""
    recorded = json.loads(_RECORDED.read_text()) if _RECORDED.exists() else {}
    if os.environ.get("RECORD_JOURNAL"):
        recorded[part] = now
        _RECORDED.write_text(json.dumps(recorded, indent=1) + "\n")
    return recorded.get(part)


@pytest.mark.both_modes
def test_commands(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> None:
    """A run's commands come in the recorded order, under the recorded names."""
    gate, answering = Gate(), Gate()
    model.script(
        f"{key} start",
        [
            calls(call("note", text="a"), call("fail", text="b")),
            call("pay", cents=1),
            text("done", gate=answering),
        ],
    )
    model.script(f"{key} more", [text("ok", gate=gate)])
    run_id = api.start("tester", f"{key} start", thread_id=key.replace(" ", "-"), after_s=0.1)
    api.wait_for_approval(run_id)
    api.decide(run_id, "2.0", "approve")
    model.wait_for(f"{key} start", turn=3)
    api.steer(run_id, f"{key} more")
    answering.open()
    model.wait_for(f"{key} more")
    commands = _commands(stack, run_id)
    gate.open()
    api.result(run_id)
    assert commands == _recorded("commands", commands), __doc__


@pytest.mark.both_modes
def test_commands_in_doubt(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> None:
    """A call that runs once is claimed, run, in doubt and decided, under the recorded names."""
    gate = Gate()
    model.script(key, [call("send_over_a_bad_line", cents=5), text("ok", gate=gate)])
    run_id = api.start("bank", key)
    api.wait_for_approval(run_id)
    api.decide(run_id, "1.0.doubt1", "complete", output="sent")
    model.wait_for(key, turn=2)
    commands = _commands(stack, run_id)
    gate.open()
    api.result(run_id)
    assert commands == _recorded("commands_in_doubt", commands), __doc__


def test_commands_of_a_handoff(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> None:
    """A run that is handed over, on a thread that remembers, does so under the recorded names."""
    gate = Gate()
    model.script(key, [call("transfer_to_office"), text("ok", gate=gate)])
    run_id = api.start("front", key, thread_id=key.replace(" ", "-"))
    model.wait_for(key, turn=2)
    commands = _commands(stack, run_id)
    gate.open()
    api.result(run_id)
    assert commands == _recorded("commands_of_a_handoff", commands), __doc__


def test_commands_of_children(api: Api, stack: TestStack, model: ScriptedModel, key: str) -> None:
    """Runs that are called below a limit ask, are asked for and report under the recorded names."""
    gate = Gate()
    model.script(f"{key} boss", [call("ask", input=f"{key} child"), text("ok", gate=gate)])
    model.script(f"{key} child", [call("pay", cents=1), text("paid")])
    run_id = api.start("lead", f"{key} boss", limits={"max_tokens": 1_000_000})
    child = child_run_id("tester", run_id, "1.0")
    wait_until(lambda: api.http.get(f"/runs/{child}").status_code == 200, "the child")
    api.wait_for_approval(child)
    api.wait_for_status(run_id, "waiting")
    of_child = _commands(stack, child)  # while it goes on
    api.decide(child, "1.0", "approve")
    model.wait_for(f"{key} boss", turn=2)
    commands = {"of the caller": _commands(stack, run_id), "of the child": of_child}
    gate.open()
    api.wait_for_status(run_id, "completed")
    assert commands == _recorded("commands_of_children", commands), __doc__


def _commands(stack: TestStack, run_id: str) -> list[str]:
    rows = stack.query(
        "SELECT entry_type, name, entry_json FROM sys_journal"
        f" WHERE id = '{stack.invocation_id(run_id)}' AND entry_type LIKE 'Command:%'"
        " ORDER BY index"
    )
    return [_command(row) for row in rows]


def _command(row: dict[str, Any]) -> str:
    """Describe a command by what a replay compares."""
    kind = row["entry_type"].removeprefix("Command: ")
    body = json.loads(row["entry_json"])["Command"][kind]
    target = body.get("request", {}).get("invocation_target", {}).get("VirtualObject", {})
    called = f"{target['name']}.{target['handler']}" if target else ""
    return " ".join(part for part in (kind, row["name"], body.get("key"), called) if part)


def test_records() -> None:
    """What is journaled and kept has the recorded shape."""
    shapes = {name: _shape(TypeAdapter(record).json_schema()) for name, record in _RECORDS.items()}
    assert shapes == _recorded("records", shapes), __doc__


def _shape(schema: Any) -> Any:
    """Leave out what a schema says for people."""
    match schema:
        case dict():
            return {
                name: _shape(value)
                for name, value in cast("dict[str, Any]", schema).items()
                if name not in _FOR_PEOPLE or isinstance(value, dict)  # a field may be named so
            }
        case list():
            return [_shape(value) for value in cast("list[Any]", schema)]
        case _:
            return schema
