"""Calls of durable tools, which wait for signals and for their time."""

from collections.abc import Callable
from typing import Any

import httpx

from crash.abilities.playing import Scenario, Scene, look, open_gate, wait_for
from fakes.script import call


def _pay(scene: Scene) -> httpx.Response:
    answer = scene.api.http.post(f"/runs/{scene.run_id}/signals/paid", json={"cents": 5})
    heard = scene.stack.effects(parcel=scene.key, step="weigh")
    # Sent again, where only the answer was lost, it may find that the call has ended.
    return httpx.Response(200) if heard else answer


def _pay_and_wait_for(kind: str) -> Callable[[Scene], None]:
    def wait(scene: Scene) -> None:
        wait_for("signal")(scene)
        assert _pay(scene).status_code == 200
        wait_for(kind)(scene)

    return wait


def _pay_and_hand_over(scene: Scene) -> None:
    wait_for("signal")(scene)
    assert _pay(scene).status_code == 200
    scene.stack.wait_for_effects(1, parcel=scene.key, step="hand over")


def _delivered(scene: Scene, run: dict[str, Any]) -> None:
    """Each step was done once, or twice if it was the one that was cut; none is lost."""
    done = [trace["step"] for trace in scene.stack.effects(parcel=scene.key)]
    assert list(dict.fromkeys(done)) == ["label", "weigh", "hand over"]
    assert done.count("label") == 1
    assert max(done.count("weigh"), done.count("hand over")) <= 2
    [result] = scene.results(run)
    assert result.endswith('paid {"cents": 5}')


SCENARIOS = [
    Scenario(
        "a signal for a durable call",
        "courier",
        lambda key: call("deliver", parcel=key),
        wait_for("signal"),
        _pay,
        _delivered,
    ),
    Scenario(
        "the sleep of a durable call",
        "courier",
        lambda key: call("deliver", parcel=key, pause_s=6),
        _pay_and_wait_for("timer"),
        look,
        _delivered,
    ),
    Scenario(
        "a step of a durable call",
        "courier",
        lambda key: call("deliver", parcel=key, gate=key),
        _pay_and_hand_over,
        open_gate,
        _delivered,
    ),
]
