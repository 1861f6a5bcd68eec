"""SIGKILL of each process before, during and after what somebody outside does for a run.

Each scenario of `abilities/` is played with every process killed at every moment: all of them at
once in `make test`, so that one kill tries all; each alone in `make test-load`.
"""

import pytest

from crash.abilities import conversations, durable_tools, servers, teams, tools, webhooks
from crash.abilities.playing import Scenario, play
from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.receiver import Receiver
from fakes.stack import TestStack

pytestmark = pytest.mark.crash

_ABILITIES = (tools, servers, durable_tools, teams, conversations, webhooks)
SCENARIOS: list[Scenario] = [scenario for each in _ABILITIES for scenario in each.SCENARIOS]
VICTIMS = ("worker", "app", "restate")
MOMENTS = ("before", "during", "after")


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("victim", VICTIMS)
def test_killed(
    stack: TestStack,
    api: Api,
    model: ScriptedModel,
    receiver: Receiver,
    key: str,
    victim: str,
    moment: str,
) -> None:
    """All runs go on as if nobody had been killed: nothing is lost, nothing done twice."""
    play(SCENARIOS, stack, api, model, receiver, key, victim, moment)


@pytest.mark.load
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_killed_alone(
    stack: TestStack,
    api: Api,
    model: ScriptedModel,
    receiver: Receiver,
    key: str,
    scenario: Scenario,
    victim: str,
    moment: str,
) -> None:
    """The run goes on as if nobody had been killed, with nobody else's run beside it."""
    play([scenario], stack, api, model, receiver, key, victim, moment)
