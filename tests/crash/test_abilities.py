"""SIGKILL of each process before, during and after what somebody outside does for a run.

One harness: a scenario says how its run begins, how to get it to where it waits, what is done then,
and what must hold at its end. Each is played with every process killed at every moment: all of them
at once in `make test`, so that one kill tries all; each alone in `make test-load`.
"""

import zlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from fakes.api import Api
from fakes.events import assert_events_are_whole
from fakes.mcp_servers import Notes
from fakes.model_server import ScriptedModel
from fakes.receiver import Receiver, Says
from fakes.script import Attempts, Gate, Reply, attempts, call, calls, text
from fakes.stack import TestStack
from fakes.waiting import wait_until
from outlast.names import child_run_id
from outlast_local.demo_model.openai_wire import Usage

pytestmark = pytest.mark.crash


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
        of_servers = {"pay": f"paid:{_cents(self.key)}", "order": f"ordered:{_word(self.key)}"}
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
        child_script: What the model of an agent says that the run asks `_question(key)`.
        disturbs: Whether getting it to where it waits disturbs other runs.
        told: What its webhook answers, if it has one.
        start: What else its start says.
    """

    name: str
    agent: str
    script: Callable[[str], Reply | list[Reply] | list[Attempts]]
    reach: Callable[[Scene], None]
    act: Callable[[Scene], httpx.Response]
    check: Callable[[Scene, dict[str, Any]], None]
    child_script: Callable[[str], list[Reply]] | None = None
    disturbs: bool = False
    told: Sequence[Says] | None = None
    start: Callable[[str], dict[str, Any]] = lambda _: {}


def _wait_for_approval(scene: Scene) -> None:
    scene.api.wait_for_approval(scene.run_id)


def _approve(scene: Scene) -> httpx.Response:
    return scene.api.decide(scene.run_id, "1.0", "approve")


def _cents(key: str) -> int:
    return zlib.crc32(key.encode())


def _paid_once(scene: Scene, run: dict[str, Any]) -> None:
    """The server was asked once, or is told of as what nobody knows."""
    assert scene.transfers("pay") == 1
    assert scene.results(run) in (["paid"], ["found in the books"])


def _sent_once(scene: Scene, run: dict[str, Any]) -> None:
    """The transfer was made once, or is told as what nobody knows."""
    assert scene.transfers("send_approved") == 1
    assert scene.results(run) in (["sent 5"], ["found in the books"])


def _word(key: str) -> str:
    """Return what of a key can be noted in one word."""
    return key.replace(" ", "-")


def _answer_server(content: dict[str, str]) -> Callable[[Scene], httpx.Response]:
    def answer(scene: Scene) -> httpx.Response:
        return scene.api.decide(scene.run_id, "1.0.input1", "answer", content=content)

    return answer


def _reserved(scene: Scene, run: dict[str, Any]) -> None:
    """Whoever goes on with the call has the answer, and nobody is asked twice."""
    assert scene.results(run) == ["reserved lamp at Lux"]
    assert [asked["reason"] for asked in run["approvals"]] == ["input"]


def _ordered_once(scene: Scene, run: dict[str, Any]) -> None:
    """The server ordered once, if it got the answer; else the model knows that nobody knows."""
    [told] = scene.results(run)
    if scene.transfers("order"):
        assert scene.transfers("order") == 1
        assert told in (f"ordered {_word(scene.key)} from Lux", "found in the books")
    else:
        assert told.startswith("Nobody knows whether this call of order ran")
    assert [asked["reason"] for asked in run["approvals"]].count("input") == 1


def _lose_the_worker(scene: Scene) -> None:
    scene.stack.wait_for_effects(1, tool="send_slowly", key=f"{scene.run_id}:1.0")
    scene.stack.worker.kill()
    scene.stack.start_worker()
    scene.api.wait_for_approval(scene.run_id)


def _complete(scene: Scene) -> httpx.Response:
    return scene.api.decide(scene.run_id, "1.0.doubt1", "complete", output="sent by hand")


def _never_again(scene: Scene, run: dict[str, Any]) -> None:
    assert scene.transfers("send_slowly") == 1
    assert scene.results(run) == ["sent by hand"]
    [asked] = run["approvals"]
    assert (asked["reason"], asked["resolution"]["action"]) == ("in_doubt", "complete")


def _wait_for_call(scene: Scene) -> None:
    scene.api.wait_for_calls(scene.run_id)


def _answer_call(scene: Scene) -> httpx.Response:
    return scene.api.answer(scene.run_id, "1.0", "Berlin")


def _answered_once(scene: Scene, run: dict[str, Any]) -> None:
    assert scene.results(run) == ["Berlin"]
    assert [each["answer"]["outcome"] for each in run["calls"]] == ["answered"]
    assert scene.api.answer(scene.run_id, "1.0", "Rome").status_code == 409


def _raise_limit(scene: Scene) -> httpx.Response:
    return scene.api.decide(scene.run_id, "limit1", "raise", limits={"max_turns": 2})


def _went_on_once(scene: Scene, run: dict[str, Any]) -> None:
    """The run was asked about its limit once, and went on from where it had stopped."""
    [asked] = run["approvals"]
    assert (asked["reason"], asked["resolution"]["limits"]["max_turns"]) == ("limit", 2)
    assert (run["turn"], scene.results(run), scene.transfers("note")) == (2, ["noted a"], 1)


def _charged_as_hooks_want(scene: Scene, run: dict[str, Any]) -> None:
    """What the hooks asked, changed and told of is as if nothing had happened."""
    [asked] = run["approvals"]
    assert (asked["question"], asked["resolution"]["action"]) == ("Is fifty right?", "approve")
    assert scene.results(run) == ["charged 50 to ****"]
    assert scene.transfers("charge") >= 1  # with the same key
    assert scene.stack.effects(hook="on_end completed", run=scene.run_id)


def _wait_for(kind: str) -> Callable[[Scene], None]:
    def wait(scene: Scene) -> None:
        wait_until(lambda: scene.api.get(scene.run_id)["waiting_for"] == kind, f"a {kind}")

    return wait


def _pay(scene: Scene) -> httpx.Response:
    answer = scene.api.http.post(f"/runs/{scene.run_id}/signals/paid", json={"cents": 5})
    heard = scene.stack.effects(parcel=scene.key, step="weigh")
    # Sent again, where only the answer was lost, it may find that the call has ended.
    return httpx.Response(200) if heard else answer


def _pay_and_wait_for(kind: str) -> Callable[[Scene], None]:
    def wait(scene: Scene) -> None:
        _wait_for("signal")(scene)
        assert _pay(scene).status_code == 200
        _wait_for(kind)(scene)

    return wait


def _pay_and_hand_over(scene: Scene) -> None:
    _wait_for("signal")(scene)
    assert _pay(scene).status_code == 200
    scene.stack.wait_for_effects(1, parcel=scene.key, step="hand over")


def _look(scene: Scene) -> httpx.Response:
    return scene.api.http.get(f"/runs/{scene.run_id}", params={"messages": "false"})


def _open_gate(scene: Scene) -> httpx.Response:
    scene.stack.open_gate(scene.key)
    return httpx.Response(200)


def _delivered(scene: Scene, run: dict[str, Any]) -> None:
    """Each step was done once, or twice if it was the one that was cut; none is lost."""
    done = [trace["step"] for trace in scene.stack.effects(parcel=scene.key)]
    assert list(dict.fromkeys(done)) == ["label", "weigh", "hand over"]
    assert done.count("label") == 1
    assert max(done.count("weigh"), done.count("hand over")) <= 2
    [result] = scene.results(run)
    assert result.endswith('paid {"cents": 5}')


_GATES = defaultdict[str, Gate](Gate)
"""At which models wait, by the test's key."""


def _question(key: str) -> str:
    """Return what a called agent is asked: nothing that has the key in it, by which models know."""
    return f"asked {key[::-1]}"


def _wait_for_childs_model(scene: Scene) -> None:
    scene.model.wait_for(_question(scene.key))


def _let_model_answer(scene: Scene) -> httpx.Response:
    _GATES[scene.key].open()
    return scene.api.http.get("/healthz")


def _one_child(scene: Scene, run: dict[str, Any]) -> None:
    """There was one child, which ended once, and whose use is the run's."""
    assert scene.results(run) == ["child done"]
    child = scene.api.get(scene.child)
    assert (child["status"], child["parent"]["run_id"]) == ("completed", scene.run_id)
    assert_events_are_whole(scene.api.events(scene.child), child)
    used = run["usage"]["model_calls"] - child["usage"]["model_calls"]
    assert used == 2
    listed = scene.api.http.get("/runs", params={"parent": scene.run_id}).json()["items"]
    assert [each["run_id"] for each in listed] == [scene.child]


def _wait_for_childs_approval(scene: Scene) -> None:
    found = f"/runs/{scene.child}"
    wait_until(lambda: scene.api.http.get(found).status_code == 200, "the child")
    scene.api.wait_for_approval(scene.child)


def _approve_for_child(scene: Scene) -> httpx.Response:
    return scene.api.decide(scene.child, "1.0", "approve")


def _child_paid_once(scene: Scene, run: dict[str, Any]) -> None:
    assert scene.stack.effects(tool="pay", key=f"{scene.child}:1.0")  # with one key, if repeated
    _one_child(scene, run)


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
    _sent_once(scene, run)


def _wait_for_taker(scene: Scene) -> None:
    scene.stack.wait_for_effects(1, tool="instructions", run=scene.run_id)


def _approve_for_taker(scene: Scene) -> httpx.Response:
    return scene.api.decide(scene.run_id, "2.0", "approve")


def _handed_over_once(scene: Scene, run: dict[str, Any]) -> None:
    """One agent has taken over, whose tool was called; the thread remembers which."""
    assert [m["agent"] for m in run["messages"] if m["agent"]] == ["front", "office", "office"]
    events = scene.api.events(scene.run_id)
    assert [each["to"] for each in events if each["type"] == "handoff"] == ["office"]
    again = f"{scene.key[::-1]} again"
    scene.model.script(again, [text("still here")])
    if run["thread_id"]:
        following = scene.api.run("front", again, thread_id=run["thread_id"])
        assert following["handed_over_to"] == "office"


def _paid_by_taker(scene: Scene, run: dict[str, Any]) -> None:
    assert scene.stack.effects(tool="pay", key=f"{scene.run_id}:2.0")  # with one key, if repeated
    assert scene.results(run)[1] == "paid 5"
    _handed_over_once(scene, run)


def _approve_in_turn_3(scene: Scene) -> httpx.Response:
    return scene.api.decide(scene.run_id, "3.0", "approve")


def _knows_what_it_found(scene: Scene, run: dict[str, Any]) -> None:
    """What was read and found stays: the model is told of it after the kill as before."""
    skill, _, paid = scene.results(run)
    assert (skill.partition("\n")[0], paid) == ("Ask for a photo.", "paid 5")
    offered = scene.model.requests(scene.key)[-1].body["tools"]
    names = [tool["function"]["name"] for tool in offered]
    assert names == ["read_skill", "search_tools", "pay"]


def _long_run(key: str) -> list[Attempts]:
    """Say what makes a prompt too long; what sums that up reads the question, and so does the end.

    So each turn is asked for twice.
    """
    first = call("note", text="x" * 2_000)
    then = calls(call("note", text=key), usage=Usage(prompt_tokens=800))
    summary = text("They noted it.", gate=_GATES[key])
    return [attempts(first, summary), attempts(then, text("done"))]


def _wait_for_summary(scene: Scene) -> None:
    scene.model.wait_for(scene.key, count=2)


def _summed_up_once(scene: Scene, run: dict[str, Any]) -> None:
    """One summary is in the journal and in the run's usage, however often it was asked for."""
    made = [event for event in scene.api.events(scene.run_id) if event["type"] == "compacted"]
    assert [(event["how"], event["turn"], event["messages"]) for event in made] == [
        ("summary", 3, 3)
    ]
    assert (run["usage"]["model_calls"], len(run["messages"])) == (4, 6)
    assert scene.results(run) == [f"noted {'x' * 2_000}", f"noted {scene.key}"]


SCENARIOS = [
    Scenario(
        "a tool that was found",
        "scholar",
        lambda _: [
            call("read_skill", name="claims"),
            call("search_tools", query="pay"),
            call("pay", cents=5),
        ],
        _wait_for_approval,
        _approve_in_turn_3,
        _knows_what_it_found,
    ),
    Scenario(
        "a webhook that is down",
        "bank",
        lambda _: call("send_approved", cents=5),
        _wait_for_approval_and_webhook,
        _approve,
        _told_in_order,
        told=[Says(503), Says(cut=True)],
    ),
    Scenario(
        "a handoff that is being made",
        "front",
        lambda key: [call("transfer_to_office"), call("hold", gate=key)],
        _wait_for_taker,
        _open_gate,
        _handed_over_once,
        start=lambda key: {"metadata": {"gate": key}},
    ),
    Scenario(
        "approval after a handoff",
        "front",
        lambda _: [call("transfer_to_office"), call("pay", cents=5)],
        _wait_for_approval,
        _approve_for_taker,
        _paid_by_taker,
        start=lambda key: {"thread_id": key.replace(" ", "-")},
    ),
    Scenario(
        "hooks that ask a person",
        "guarded",
        lambda _: call("charge", cents=50),
        _wait_for_approval,
        _approve,
        _charged_as_hooks_want,
    ),
    Scenario(
        "a summary",
        "rambler",
        _long_run,
        _wait_for_summary,
        _let_model_answer,
        _summed_up_once,
    ),
    Scenario(
        "a child's model call",
        "lead",
        lambda key: call("ask", input=_question(key)),
        _wait_for_childs_model,
        _let_model_answer,
        _one_child,
        lambda key: [text("child done", gate=_GATES[key])],
    ),
    Scenario(
        "approval of a child's call",
        "lead",
        lambda key: call("ask", input=_question(key)),
        _wait_for_childs_approval,
        _approve_for_child,
        _child_paid_once,
        lambda _: [call("pay", cents=5), text("child done")],
    ),
    Scenario(
        "approval of what a child is asked",
        "lead",
        lambda key: call("ask_gravely", input=_question(key)),
        _wait_for_approval,
        _approve,
        _one_child,
        lambda _: [text("child done")],
    ),
    Scenario(
        "a client's tool",
        "guide",
        lambda _: call("locate", of="ann"),
        _wait_for_call,
        _answer_call,
        _answered_once,
    ),
    Scenario(
        "a limit that is raised",
        "asking",
        lambda _: call("note", text="a"),
        _wait_for_approval,
        _raise_limit,
        _went_on_once,
    ),
    Scenario(
        "approval of a tool that runs once",
        "bank",
        lambda _: call("send_approved", cents=5),
        _wait_for_approval,
        _approve,
        _sent_once,
    ),
    Scenario(
        "a call of an MCP server",
        "clerk",
        lambda key: call("pay", cents=_cents(key)),
        _wait_for_approval,
        _approve,
        _paid_once,
    ),
    Scenario(
        "what a server asks within a call that runs once",
        "asker",
        lambda key: call("order", item=_word(key)),
        _wait_for("input"),
        _answer_server({"supplier": "Lux"}),
        _ordered_once,
    ),
    Scenario(
        "what a server asks that ends its call with it",
        "asker",
        lambda _: call("reserve", item="lamp"),
        _wait_for("input"),
        _answer_server({"name": "Lux"}),
        _reserved,
    ),
    Scenario(
        "a call in doubt",
        "bank",
        lambda key: call("send_slowly", cents=5, gate=key),
        _lose_the_worker,
        _complete,
        _never_again,
        disturbs=True,
    ),
    Scenario(
        "a signal for a durable call",
        "courier",
        lambda key: call("deliver", parcel=key),
        _wait_for("signal"),
        _pay,
        _delivered,
    ),
    Scenario(
        "the sleep of a durable call",
        "courier",
        lambda key: call("deliver", parcel=key, pause_s=6),
        _pay_and_wait_for("timer"),
        _look,
        _delivered,
    ),
    Scenario(
        "a step of a durable call",
        "courier",
        lambda key: call("deliver", parcel=key, gate=key),
        _pay_and_hand_over,
        _open_gate,
        _delivered,
    ),
]


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
    _play(SCENARIOS, stack, api, model, receiver, key, victim, moment)


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
    _play([scenario], stack, api, model, receiver, key, victim, moment)


def _play(
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
        model.script(own, [*(said if isinstance(said, list) else [said]), text("done")])
        if scenario.child_script:
            model.script(_question(own), scenario.child_script(own))
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
