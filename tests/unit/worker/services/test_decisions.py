"""Decisions, and arguments that a person puts in place of the model's."""

import json
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator

from fakes.records import NOON
from outlast import Agent, Tool, tool
from outlast.contract import RUN_KEY, DecideOrder, FieldFault, RunOrder
from outlast.protocol import Approval, Decision, Resolution, Run
from outlast_worker.hooks import HookCaller
from outlast_worker.services.decisions import _check, take_decision
from outlast_worker.services.whole_run import waits_for_people

APPROVAL = Approval(call_id="1.0", name="refund", arguments={}, requested_at=NOON)


def no_hooks(order: RunOrder, _: Agent) -> HookCaller:
    raise AssertionError(f"nobody changes arguments of {order.run_id}")


class RunOfOlderWorker:
    """The context of a handler, for a run whose approvals are kept as older workers keep them."""

    def __init__(self, run: Run) -> None:
        self._kept = {RUN_KEY: run.model_dump_json().encode()}
        self.resolved: dict[str, bytes] = {}
        self._promise = ""

    async def get(self, key: str, serde: Any) -> Any:
        return serde.deserialize(self._kept[key]) if key in self._kept else None

    async def state_keys(self) -> list[str]:
        return list(self._kept)

    def promise(self, name: str, serde: Any) -> "RunOfOlderWorker":
        self._promise, self._serde = name, serde
        return self

    async def peek(self) -> Any:
        found = self.resolved.get(self._promise)
        return found and self._serde.deserialize(found)

    async def resolve(self, value: Any) -> None:
        self.resolved[self._promise] = self._serde.serialize(value)


async def test_a_run_that_an_older_worker_executes() -> None:
    """What waits there is decided on, in words that the older worker can read."""
    run = Run(
        run_id="support.a",
        agent="support",
        status="waiting",
        waiting_for="approval",
        approvals=[APPROVAL],
    )
    ctx: Any = RunOfOlderWorker(run)
    agent = Agent(name="support", instructions="Help.")
    decision = Decision(action="approve", by="ana")
    assert await waits_for_people(ctx, run)
    for call_id, outcome in (("2.0", "unknown"), ("1.0", "decided"), ("1.0", "decided")):
        order = DecideOrder(call_id=call_id, decision=decision, at=NOON, key="desk")
        assert (await take_decision(ctx, lambda _: agent, order, no_hooks)).outcome == outcome
    assert json.loads(ctx.resolved["decision:1.0"])["by"] == "ana"
    assert not await waits_for_people(ctx, run)


@pytest.mark.parametrize("waiting_for", ["child", "signal"])
async def test_a_run_that_waits_for_what_it_has_called(waiting_for: Any) -> None:
    """Whoever begins to wait for it is told at once, as who waited when it began to wait."""
    run = Run(run_id="support.a", agent="support", status="waiting", waiting_for=waiting_for)
    ctx: Any = RunOfOlderWorker(run)
    assert await waits_for_people(ctx, run)


@pytest.mark.parametrize(
    ("reason", "decision", "said"),
    [
        ("in_doubt", {"action": "approve"}, "retry, give_up or complete"),
        ("limit", {"action": "reject"}, "raise or stop"),
        ("input", {"action": "stop"}, "answer or decline"),
        ("approval", {"action": "complete", "output": "x"}, "approve or reject"),
        ("in_doubt", {"action": "retry"}, None),
        ("in_doubt", {"action": "complete", "output": {"id": 1}}, None),
        ("limit", {"action": "raise", "limits": {"max_turns": 9}}, None),
        ("input", {"action": "answer", "content": [1]}, None),
    ],
)
async def test_what_may_be_decided(reason: Any, decision: Any, said: str | None) -> None:
    """Each reason has its own answers; another one is refused, with those that there are."""
    approval = APPROVAL.model_copy(update={"reason": reason})
    run = Run(run_id="support.a", agent="support", status="waiting", approvals=[approval])
    ctx: Any = RunOfOlderWorker(run)
    order = DecideOrder(call_id="1.0", decision=Decision(**decision), at=NOON)
    agent = Agent(name="support", instructions="Help.")
    answer = await take_decision(ctx, lambda _: agent, order, no_hooks)
    assert answer.outcome == ("invalid" if said else "decided")
    told = [fault.message.partition("decide ")[2] for fault in answer.faults]
    assert told == ([said] if said else [])
    counts = json.loads(ctx.resolved.get("decision:1.0", b"{}"))
    assert counts.items() >= ({} if said else decision).items()


async def test_the_same_decision_is_compared_whole() -> None:
    """A call that was completed with one result is not completed with another."""
    counts = Resolution(call_id="1.0", action="complete", output="a", at=NOON)
    approval = APPROVAL.model_copy(update={"reason": "in_doubt", "resolution": counts})
    run = Run(run_id="support.a", agent="support", status="waiting", approvals=[approval])
    ctx: Any = RunOfOlderWorker(run)
    agent = Agent(name="support", instructions="Help.")
    for output, outcome in (("a", "decided"), ("b", "conflict")):
        decision = Decision(action="complete", output=output)
        order = DecideOrder(call_id="1.0", decision=decision, at=NOON)
        assert (await take_decision(ctx, lambda _: agent, order, no_hooks)).outcome == outcome


class OddEnd(BaseException):
    """What only a library's author would raise."""


async def check(refund: Tool[..., Any], arguments: dict[str, Any]) -> list[FieldFault]:
    decision = Decision(action="approve", arguments=arguments)
    order = DecideOrder(call_id="1.0", decision=decision, at=NOON)
    agent = Agent(name="support", instructions="Help.", tools=[refund])
    return _check(agent, APPROVAL, order)


@pytest.mark.parametrize(
    ("arguments", "faults"),
    [({"cents": 5}, []), ({"cents": "x"}, ["cents"]), ({"cents": 5, "more": 1}, ["more"])],
)
async def test_checked_as_the_models_are(arguments: dict[str, Any], faults: list[str]) -> None:
    """What does not fit the tool is named by its place in the request."""

    @tool
    def refund(cents: int) -> str:
        """Refund.

        Args:
            cents: How much.
        """
        return "paid"

    found = await check(refund, arguments)
    assert [fault.field for fault in found] == [f"body.arguments.{field}" for field in faults]


@pytest.mark.parametrize("raised", [KeyError, SystemExit, KeyboardInterrupt, OddEnd])
async def test_validator_that_raises_anything(raised: type[BaseException]) -> None:
    """It is a fault of the request, and neither the worker's end nor a handler that is retried."""

    def leave(_: Any) -> Any:
        raise raised("secret-1")

    @tool
    def refund(cents: Annotated[int, AfterValidator(leave)]) -> str:
        """Refund.

        Args:
            cents: How much.
        """
        raise AssertionError("run by a check")

    [fault] = await check(refund, {"cents": 5})
    assert (fault.field, raised.__name__ in fault.message) == ("body.arguments", True)
    assert "secret-1" not in fault.message
