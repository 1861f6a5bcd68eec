"""What webhooks are told."""

from typing import Any

from crash.abilities.playing import (
    Scenario,
    Scene,
    approve,
    sent_once,
)
from fakes.receiver import Says
from fakes.script import call
from fakes.waiting import wait_until


def _wait_for_approval_and_webhook(scene: Scene) -> None:
    scene.api.wait_for_approval(scene.run_id)
    scene.receiver.wait_for(scene.key)


def _told_in_order(scene: Scene, run: dict[str, Any]) -> None:
    """The webhook heard of each wait and then of the end, each at least once, by one name."""

    def heard() -> list[tuple[str, str]] | None:
        requests = scene.receiver.received(scene.key)
        names = [(request.what, request.headers["webhook-id"]) for request in requests]
        return names if names[-1][0].startswith("run.ended") else None

    names = list(dict.fromkeys(wait_until(heard, "the webhook to hear of the end")))
    waits = run["segment"] - 1  # a call that is in doubt waits once more
    whats = [what for what, _ in names]
    assert whats == ["run.waiting waiting"] * waits + ["run.ended completed"]

    def told() -> bool:
        found = scene.api.http.get(f"/runs/{scene.run_id}/webhooks").json()["items"]
        return [each["status"] for each in found] == ["delivered"] * (waits + 1)

    wait_until(told, "all to be delivered")
    sent_once(scene, run)


SCENARIOS = [
    Scenario(
        "a webhook that is down",
        "bank",
        lambda _: call("send_approved", cents=5),
        _wait_for_approval_and_webhook,
        approve,
        _told_in_order,
        told=[Says(503), Says(cut=True)],
    ),
]
