"""Many watchers, and what watching costs: a sample of what `make test-load` tries in full."""

import asyncio
import time
from collections import Counter
from itertools import count

from fakes.api import Api
from fakes.counting_proxy import CountingProxy
from fakes.crowd import Crowd
from fakes.follower import Follower
from fakes.model_server import ScriptedModel
from fakes.script import Gate, call, text
from fakes.stack import TestStack

WATCHERS = 200
SOON_S = 10
"""On a machine that has other things to do; `tests/load` demands 2 s. It once took for ever."""
BEGUN_S = 60
_numbers = count()


def held_runs(api: Api, model: ScriptedModel, key: str, gate: Gate, runs: int) -> list[str]:
    """Start runs whose answers all wait at one gate."""
    started: list[str] = []
    for number in range(runs):
        said = f"{key} {next(_numbers)}-{number}."
        model.script(said, [text("one two three", gate=gate)])
        started.append(api.start("tester", said))
    return started


async def counts_of_ends(
    counted: tuple[str, CountingProxy], stack: TestStack, run_ids: list[str], gate: Gate
) -> Counter[str]:
    """Watch each of these runs, which wait at a gate, and let them end; count the requests."""
    app_url, proxy = counted
    crowd = Crowd(app_url, run_ids)
    async with asyncio.timeout(2 * BEGUN_S), crowd.watching(BEGUN_S):
        gate.open()
    delays_s = crowd.delays_s(stack)
    assert len(delays_s) == len(run_ids)
    assert delays_s[-1] < SOON_S
    return proxy.counts


async def test_many_watchers_of_one_run(
    counted: tuple[str, CountingProxy], api: Api, stack: TestStack, model: ScriptedModel, key: str
):
    """Each of them hears of the end soon after it, and the run is read as for one."""
    gate = Gate()
    [run_id] = held_runs(api, model, key, gate, 1)
    counts = await counts_of_ends(counted, stack, [run_id] * WATCHERS, gate)
    assert sum(counts.values()) <= 10, counts


async def test_many_runs_with_a_watcher_each(
    counted: tuple[str, CountingProxy], api: Api, stack: TestStack, model: ScriptedModel, key: str
):
    """Each of them hears of its run's end soon after it, though all end together."""
    gate = Gate()
    run_ids = await asyncio.to_thread(held_runs, api, model, key, gate, WATCHERS)
    counts = await counts_of_ends(counted, stack, run_ids, gate)
    assert max(counts["attach"], counts["output"]) <= WATCHERS, counts
    assert counts["events"] <= 4 * WATCHERS, counts


def test_requests_of_a_stream(
    counted: tuple[str, CountingProxy], model: ScriptedModel, key: str
) -> None:
    """A long answer costs Restate no more than a short one, however many watch it."""
    app_url, proxy = counted
    words = " ".join(f"word{index}" for index in range(400))
    model.script(key, [text(words, pace_s=0.005)])
    with Api(app_url) as api:
        answer = api.post("tester", key, {"Accept": "text/event-stream"})
        assert answer.text.count("event: message.delta") > 5
        assert sum(proxy.counts.values()) <= 10, proxy.counts


def test_requests_of_a_run_that_waits(
    counted: tuple[str, CountingProxy], model: ScriptedModel, key: str
) -> None:
    """While a run waits for a person, watching it asks for nothing."""
    app_url, proxy = counted
    model.script(key, [call("pay", cents=9), text("done")])
    with Api(app_url) as api:
        run_id = api.start("tester", key)
        api.wait_for_approval(run_id)
        with Follower([app_url], run_id) as first, Follower([app_url], run_id) as second:
            for follower in (first, second):
                follower.wait(lambda f=follower: f.of("approval.requested"), "the request")
            before = proxy.counts.copy()
            time.sleep(3)  # nothing happens: what was polled would be asked for meanwhile
            assert proxy.counts == before
            api.decide(run_id, "1.0", "approve")
            for follower in (first, second):
                follower.wait_for_end()
