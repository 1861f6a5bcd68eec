"""The table of effects: each claim is begun at most once in its process."""

import asyncio

import pytest

from fakes.records import NOON, result
from outlast_worker.engine.records import EffectClaim, EffectOutcome
from outlast_worker.tools.effects import Effects

DONE = EffectOutcome(outcome="done", at=NOON, record=result("paid"))


class Bank:
    """Counts what was begun, and waits until it may end."""

    def __init__(self) -> None:
        self.begun = 0
        self.has_begun = asyncio.Event()
        self.may_end = asyncio.Event()

    async def pay(self, _left_s: float) -> EffectOutcome:
        self.begun += 1
        self.has_begun.set()
        await self.may_end.wait()
        return DONE


async def test_a_repeated_step_joins() -> None:
    """Steps that are executed again, beside the first or after it, get its outcome."""
    effects, bank = Effects(), Bank()
    claim = effects.claim("run", "h")
    first, second = (asyncio.create_task(effects.run(claim, 60, bank.pay)) for _ in range(2))
    await bank.has_begun.wait()
    bank.may_end.set()
    assert await asyncio.gather(first, second) == [DONE, DONE]
    assert await effects.run(claim, 60, bank.pay) == DONE
    assert bank.begun == 1


async def test_a_step_that_is_cut_leaves_the_effect() -> None:
    """When the attempt ends, the effect goes on, and the next attempt finds it."""
    effects, bank = Effects(), Bank()
    claim = effects.claim("run", "h")
    cut = asyncio.create_task(effects.run(claim, 60, bank.pay))
    await bank.has_begun.wait()
    cut.cancel()
    bank.may_end.set()
    assert await effects.run(claim, 60, bank.pay) == DONE
    assert bank.begun == 1


@pytest.mark.parametrize("forgotten", [True, False])
async def test_nobody_else_begins_it(forgotten: bool) -> None:
    """A claim of another process, or one that is forgotten, is in doubt and never begun."""
    effects, bank = Effects(), Bank()
    claim = effects.claim("run", "h") if forgotten else EffectClaim(claim_id="theirs", at=NOON)
    effects.forget(claim)
    assert (await effects.run(claim, 60, bank.pay)).outcome == "in_doubt"
    assert bank.begun == 0


async def test_too_late_to_begin() -> None:
    """A claim that is older than the tool's timeout begins nothing: somebody may have decided."""
    effects, bank = Effects(), Bank()
    claim = effects.claim("run", "h")
    assert (await effects.run(claim, 0, bank.pay)).outcome == "not_begun"
    assert bank.begun == 0


async def test_cancelled() -> None:
    """A cancelled run's effect is broken off, in doubt; what is only claimed never begins."""
    effects, bank = Effects(), Bank()
    running, reserved = effects.claim("run", "h"), effects.claim("run", "h")
    other = effects.claim("other run", "h")
    joined = asyncio.create_task(effects.run(running, 60, bank.pay))
    await bank.has_begun.wait()
    effects.abort("run")
    assert (await joined).outcome == "in_doubt"
    assert (await effects.run(reserved, 60, bank.pay)).outcome == "in_doubt"
    bank.may_end.set()
    assert await effects.run(other, 60, bank.pay) == DONE
    assert bank.begun == 2


async def test_the_table_stays_small() -> None:
    """Runs that were killed, or went on elsewhere, leave no more than so much."""
    effects, bank = Effects(), Bank()
    bank.may_end.set()
    for number in range(10_100):
        await effects.run(effects.claim(f"killed {number}", "h"), 60, bank.pay)
    assert len(effects._entries) <= 10_002  # nothing else shows it
    effects.forget_run("killed 10099")
    assert "killed 10099" not in {entry.run_id for entry in effects._entries.values()}
