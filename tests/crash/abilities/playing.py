"""The harness of what processes are killed under: a scenario, and how it is played.

A scenario says how its run begins, how to get it to where it waits, what is done then, and what
must hold at its end.
"""

import zlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from fakes.api import Api
from fakes.events import assert_events_are_whole
from fakes.mcp_servers import Notes
from fakes.model_server import ScriptedModel
from fakes.receiver import Receiver, Says
from fakes.script import Attempts, Gate, Reply, text
from fakes.stack import TestStack
from fakes.waiting import wait_until
from outlast.names import child_run_id


@dataclass(frozen=True)
class Scene:
    """One run of a scenario on its stack."""

    api: Api
    stack: TestStack
    model: ScriptedModel
    run_id: str
    key: str
    scenario: "Scenario"
    receiver: Receiver

    def results(self, run: dict[str, Any]) -> list[str]:
        """Return what the model was told of its calls."""
        return [message["content"] for message in run["messages"] if message["role"] == "tool"]

    @property
    def child(self) -> str:
        """The run of the agent that the run has called first."""
        return child_run_id("tester", self.run_id, "1.0")

    def transfers(self, tool: str) -> int:
        """Return how often the first call of a tool did what it does."""
        of_servers = {"pay": f"paid:{cents(self.key)}", "order": f"ordered:{word(self.key)}"}
        if note := of_servers.get(tool):
            notes = Notes(Path(self.stack.settings["EFFECTS_FILE"] + ".mcp"))
            return notes.read().count(note)
        return len(self.stack.effects(tool=tool, key=f"{self.run_id}:1.0"))


@dataclass(frozen=True)
class Scenario:
    """What is played.

    Attributes:
        script: What the model says, turn by turn, before it says `done`.
        reach: Gets the run to where it waits.
        act: What somebody outside does then; repeated until it is answered.
        check: What must hold of the run that has ended.
        child_script: What the model of an agent says that the run asks `question(key)`.
        disturbs: Whether getting it to where it waits disturbs other runs.
        told: What its webhook answers, if it has one.
        start: What else its start says.
    """

    name: str
    agent: str
    script: Callable[[str], Reply | Sequence[Reply | Attempts]]
    reach: Callable[[Scene], None]
    act: Callable[[Scene], httpx.Response]
    check: Callable[[Scene, dict[str, Any]], None]
    child_script: Callable[[str], list[Reply]] | None = None
    disturbs: bool = False
    told: Sequence[Says] | None = None
    start: Callable[[str], dict[str, Any]] = lambda _: {}


def wait_for_approval(scene: Scene) -> None:
    scene.api.wait_for_approval(scene.run_id)


def approve(scene: Scene) -> httpx.Response:
    return scene.api.decide(scene.run_id, "1.0", "approve")


def cents(key: str) -> int:
    return zlib.crc32(key.encode())


def word(key: str) -> str:
    """Return what of a key can be noted in one word."""
    return key.replace(" ", "-")


def wait_for(kind: str) -> Callable[[Scene], None]:
    def wait(scene: Scene) -> None:
        wait_until(lambda: scene.api.get(scene.run_id)["waiting_for"] == kind, f"a {kind}")

    return wait


def look(scene: Scene) -> httpx.Response:
    return scene.api.http.get(f"/runs/{scene.run_id}", params={"messages": "false"})


def open_gate(scene: Scene) -> httpx.Response:
    scene.stack.open_gate(scene.key)
    return httpx.Response(200)


GATES = defaultdict[str, Gate](Gate)
"""At which models wait, by the test's key."""


def question(key: str) -> str:
    """Return what a called agent is asked: nothing that has the key in it, by which models know."""
    return f"asked {key[::-1]}"


def let_model_answer(scene: Scene) -> httpx.Response:
    GATES[scene.key].open()
    return scene.api.http.get("/healthz")


def sent_once(scene: Scene, run: dict[str, Any]) -> None:
    """The transfer was made once, or is told as what nobody knows."""
    assert scene.transfers("send_approved") == 1
    assert scene.results(run) in (["sent 5"], ["found in the books"])


def play(
    scenarios: Sequence[Scenario],
    stack: TestStack,
    api: Api,
    model: ScriptedModel,
    receiver: Receiver,
    key: str,
    victim: str,
    moment: str,
) -> None:
    """Get a run of each scenario to where it waits, kill, and go on with all of them."""

    def begin(scenario: Scenario) -> Scene:
        own = f"{key} {scenario.name}"
        said = scenario.script(own)
        model.script(own, [*([said] if isinstance(said, Reply) else said), text("done")])
        if scenario.child_script:
            model.script(question(own), scenario.child_script(own))
        body = scenario.start(own)
        if scenario.told:
            receiver.script(own, *scenario.told)
            body["webhooks"] = [receiver.webhook(own)]
        run_id = api.start(scenario.agent, own, **body)
        scene = Scene(api, stack, model, run_id, own, scenario, receiver)
        scenario.reach(scene)
        return scene

    with ThreadPoolExecutor(len(scenarios)) as pool:
        scenes = [begin(scenario) for scenario in scenarios if scenario.disturbs]
        scenes += pool.map(begin, (scenario for scenario in scenarios if not scenario.disturbs))
        if moment == "before":
            _kill(stack, victim)
        if moment == "during":
            acting = [pool.submit(scene.scenario.act, scene) for scene in scenes]
            _kill(stack, victim)
            for act in acting:
                act.exception(60)  # its answer may be lost; it is repeated below
        _for_each(scenes, _act, pool)
        if moment == "after":
            _kill(stack, victim)
        _for_each(scenes, _check, pool)


def _for_each(scenes: Sequence[Scene], do: Callable[[Scene], None], pool: Executor) -> None:
    """Do it for all of them at once; tell by name for which it failed."""
    doing = {scene.scenario.name: pool.submit(do, scene) for scene in scenes}
    failed = {name: error for name, each in doing.items() if (error := each.exception())}
    if failed:
        raise BaseExceptionGroup(", ".join(failed), [*failed.values()])


def _check(scene: Scene) -> None:
    run = _answer_doubts(scene)
    assert run["output"] == "done"
    scene.scenario.check(scene, run)
    assert_events_are_whole(scene.api.events(scene.run_id), run)


def _kill(stack: TestStack, victim: str) -> None:
    """End a process as a power cut does, and start it again."""
    match victim:
        case "worker":
            stack.worker.kill()
            stack.start_worker()
        case "app":
            stack.app.kill()
            stack.start_app()
        case _:
            stack.restate.kill()
            stack.start_restate()
    stack.wait_ready()


def _act(scene: Scene) -> None:
    """Do it until it is answered, as a client does whose connection breaks."""

    def answered() -> bool:
        try:
            answer = scene.scenario.act(scene)
        except httpx.TransportError:
            return False
        assert answer.status_code in (200, 202, 503), answer.text
        return answer.status_code == 200

    wait_until(answered, f"{scene.scenario.name} to be answered", 60)


def _answer_doubts(scene: Scene) -> dict[str, Any]:
    """Wait for the end; a call that a kill has left in doubt is answered from the books."""

    def ended() -> dict[str, Any] | None:
        run = scene.api.get(scene.run_id)
        for asked in run["approvals"]:
            if asked["resolution"] is None and asked["reason"] == "in_doubt":
                made = scene.transfers(asked["name"])
                found = {"action": "complete", "output": "found in the books"}
                # One that was lost while people thought would be begun anew much later.
                again = {"action": "give_up" if asked["name"] == "order" else "retry"}
                decision = found if made else again
                scene.api.decide(scene.run_id, asked["approval_id"], **decision)
        return run if run["status"] == "completed" else None

    return wait_until(ended, "the run to end", 60)
