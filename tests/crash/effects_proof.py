"""Kills processes in the middle of many calls, answers what is in doubt, and counts transfers.

The books are the effects file: a person who is asked looks there, and answers what is true. So
whatever the engine gets wrong shows up as a transfer that was made twice, or not at all.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.script import call, calls, text
from fakes.stack import TestStack
from fakes.waiting import wait_until

TOOLS = ("send_keyed", "send", "send_traceable", "send_traceable")
"""One run's calls, side by side."""


@dataclass
class Count:
    """What became of a tool's calls."""

    calls: int = 0
    transfers: int = 0
    doubled: int = 0
    lost: int = 0
    executions: int = 0
    asked: int = 0
    """Doubts that a person was asked about."""


@dataclass
class Proof:
    """All of it."""

    kills: Counter[str] = field(default_factory=Counter[str])
    tools: dict[str, Count] = field(default_factory=dict[str, Count])

    def lines(self) -> Iterator[str]:
        """Yield the table as README.md has it."""
        kills = ", ".join(f"{count} of {name}" for name, count in sorted(self.kills.items()))
        yield f"{sum(each.calls for each in self.tools.values())} calls, SIGKILLs: {kills}"
        yield "| tool | calls | begun | transfers | doubled | lost | asked a person |"
        yield "|---|---|---|---|---|---|---|"
        for name, each in self.tools.items():
            yield (
                f"| `{name}` | {each.calls} | {each.executions} | {each.transfers} | "
                f"{each.doubled} | {each.lost} | {each.asked} |"
            )


def prove(stack: TestStack, model: ScriptedModel, key: str, runs: int, kills: int) -> Proof:
    """Run so many runs of four calls, with so many kills spread over them."""
    proof = Proof()
    victims = cycle(["worker", "worker", "restate"])
    with Api(stack.app_url) as api:
        run_ids: list[str] = []
        for wave in range(kills):
            begun = runs * wave // kills
            for number in range(begun, runs * (wave + 1) // kills):
                said = f"{key} #{number:03}"
                model.script(
                    said, [calls(*(call(tool, cents=number) for tool in TOOLS)), text("ok")]
                )
                run_ids.append(api.start("bank", said))
            # Some calls have had their effect, and others not.
            wait_until(lambda begun=begun: _transfers(stack) > 4 * begun, "a transfer", 60)
            victim = next(victims)
            _kill(stack, victim)
            proof.kills[victim] += 1
        ended = [_answer_until_it_ends(api, stack, run_id) for run_id in run_ids]
    for run in ended:
        _count(proof, stack, run)
    return proof


def _transfers(stack: TestStack) -> int:
    return sum(len(stack.effects(tool=tool)) for tool in set(TOOLS))


def _kill(stack: TestStack, victim: str) -> None:
    if victim == "worker":
        stack.worker.kill()
        stack.start_worker()
    else:
        stack.restate.kill()
        stack.start_restate()
    stack.wait_ready()


def _answer_until_it_ends(api: Api, stack: TestStack, run_id: str) -> dict[str, Any]:
    """Answer every doubt with what the books say, until the run has ended."""

    def ended() -> dict[str, Any] | None:
        run = api.get(run_id)
        for asked in run["approvals"]:
            if asked["resolution"] is None:
                _answer(api, stack, run_id, asked)
        return run if run["status"] == "completed" else None

    return wait_until(ended, f"{run_id} to end", 120)


def _answer(api: Api, stack: TestStack, run_id: str, asked: dict[str, Any]) -> None:
    made = stack.effects(tool=asked["name"], key=f"{run_id}:{asked['call_id']}")
    decision = {"action": "complete", "output": "sent"} if made else {"action": "retry"}
    answer = api.decide(run_id, asked["approval_id"], **decision)
    assert answer.status_code in (200, 409, 503), answer.text


def _count(proof: Proof, stack: TestStack, run: dict[str, Any]) -> None:
    doubts = Counter(asked["call_id"] for asked in run["approvals"])
    for index, tool in enumerate(TOOLS):
        call_key = f"{run['run_id']}:1.{index}"
        made = len(stack.effects(tool=tool, key=call_key))
        count = proof.tools.setdefault(tool, Count())
        count.calls += 1
        count.transfers += made
        count.doubled += max(made - 1, 0)
        count.lost += made == 0
        keyed = tool == "send_keyed"
        count.executions += len(stack.effects(tool="attempt", key=call_key)) if keyed else made
        count.asked += doubts[f"1.{index}"]
