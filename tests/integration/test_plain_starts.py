"""What a plain start waits for, and how little it asks meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import SimpleNamespace

import aiohttp
import httpx
import pytest

from fakes.agents import agents
from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.script import Gate, call, text
from fakes.stack import TestStack
from fakes.waiting import wait_until
from outlast.addresses import Address
from outlast.errors import ThreadFull
from outlast.protocol import Run, StartRun
from outlast.registry import Registry
from outlast.webhooks import WebhookPolicy
from outlast_app.closing import Closing
from outlast_app.restate.admin import Admin
from outlast_app.restate.ingress import Ingress
from outlast_app.runs.orders import make_order
from outlast_app.runs.reader import RunReader
from outlast_app.runs.start import RunStarter

_WAIT_S = 30.0
_MAX_IN_LINE = 3


@pytest.fixture
def thread_id(key: str) -> str:
    """A thread of this test's own."""
    return key.replace(" ", "-")


@dataclass
class CountedStarts:
    """Starts runs as the app does, and writes down what Restate is asked for."""

    starter: RunStarter
    registry: Registry
    requests: list[str] = field(default_factory=list[str])

    async def run(self, said: str, thread_id: str | None = None, agent_name: str = "tester") -> Run:
        agent = self.registry.get(agent_name)
        assert agent
        request = StartRun(input=said, thread_id=thread_id)
        order = make_order(self.registry, agent, request, "default", None, stream=False)
        return await self.starter.start(order, _WAIT_S)


@pytest.fixture
async def starts(stack: TestStack) -> AsyncIterator[CountedStarts]:
    requests: list[str] = []

    async def write_down(_session: object, _context: SimpleNamespace, sent: object) -> None:
        assert isinstance(sent, aiohttp.TraceRequestStartParams)
        requests.append(f"{sent.method} {sent.url.path.rpartition('/')[2]}")

    tracing = aiohttp.TraceConfig()
    tracing.on_request_start.append(write_down)
    at, admin_at = (
        Address.parse(address) for address in (stack.sockets.ingress_url, stack.sockets.admin_url)
    )
    async with (
        aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(at.socket or ""),
            trace_configs=[tracing],
            skip_auto_headers=["Content-Type"],
        ) as to_ingress,
        aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(admin_at.socket or ""), trace_configs=[tracing]
        ) as to_admin,
    ):
        ingress = Ingress(to_ingress, at, "", Closing())
        registry = Registry(agents, "openai/x")
        reader = RunReader(ingress, Admin(to_admin, admin_at, ""))
        nobody = WebhookPolicy((), (), {})
        starter = RunStarter(registry, ingress, reader, _MAX_IN_LINE, nobody)
        yield CountedStarts(starter, registry, requests)


async def test_requests_of_a_start_on_a_thread(
    starts: CountedStarts, api: Api, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """However long it takes, a start asks for its run's end and for nothing else."""
    model.script(f"{key} first", [text("first", delay_s=2)])
    model.script(f"{key} second", [text("second")])
    first = asyncio.create_task(starts.run(f"{key} first", thread_id))
    await asyncio.to_thread(model.wait_for, f"{key} first")
    before = len(starts.requests)
    second = await starts.run(f"{key} second", thread_id)
    assert ((await first).output, second.output) == ("first", "second")
    assert len([sent for sent in starts.requests[:before] if sent != "GET output"]) <= 3
    assert "POST status" not in starts.requests
    assert len(starts.requests) <= 10


async def test_requests_of_a_start_that_has_its_thread_at_once(
    starts: CountedStarts, api: Api, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """It asks twice, to hold the thread and for its run's end, where nobody is ever asked."""
    model.script(key, [text("said")])
    run = await starts.run(key, thread_id, "short")
    assert run.output == "said"
    assert starts.requests[:2] == ["POST submit", "GET attach"]
    # More only of a run that its thread has sent, and that was still on its way.
    assert "GET output" in starts.requests or len(starts.requests) == 2


async def test_requests_until_a_person_is_asked(
    starts: CountedStarts, api: Api, model: ScriptedModel, key: str
) -> None:
    """A start that ends in a question asks twice: to be told of it, and what it is."""
    model.script(key, [call("pay", cents=1), text("paid")])
    asked = await starts.run(key)
    assert (asked.status, asked.waiting_for) == ("waiting", "approval")
    assert starts.requests.count("POST settled") == 1
    assert starts.requests.count("POST status") == 1
    assert len(starts.requests) <= 6
    assert (await asyncio.to_thread(api.decide, asked.run_id, "1.0", "approve")).status_code == 200
    assert (await asyncio.to_thread(api.result, asked.run_id))["output"] == "paid"


async def test_a_full_line(
    starts: CountedStarts, api: Api, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """As many runs wait for a thread as may; the next one is refused until one has gone."""
    gate = Gate()
    model.script(f"{key} holds", [text("held", gate=gate)])
    model.script(f"{key} waits", [text("waited")])

    def start(said: str) -> str:
        return api.start("tester", f"{key} {said}", thread_id=thread_id)

    holds = await asyncio.to_thread(start, "holds")
    waiting = [await asyncio.to_thread(start, "waits") for _ in range(_MAX_IN_LINE)]
    with pytest.raises(ThreadFull) as refused:
        await starts.run(f"{key} waits", thread_id)
    assert refused.value.headers["Retry-After"]
    assert (await asyncio.to_thread(api.cancel, waiting[0])).status_code == 202
    assert (await asyncio.to_thread(api.result, waiting[0]))["status"] == "cancelled"
    last = asyncio.create_task(starts.run(f"{key} waits", thread_id))
    await asyncio.to_thread(
        wait_until, lambda: len(_thread(api, thread_id)["queued"]) == _MAX_IN_LINE, "the last one"
    )
    listed = (await asyncio.to_thread(api.http.get, "/threads")).json()["items"]
    [thread] = [each for each in listed if each["thread_id"] == thread_id]
    assert thread["queued"][:-1] == waiting[1:]
    gate.open()
    assert (await last).output == "waited"
    assert (await asyncio.to_thread(api.result, holds))["output"] == "held"


def test_behind_one_that_begins_to_wait(
    api: Api, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """A start in line is answered once the run that holds the thread waits for a person."""
    gate = Gate()
    model.script(f"{key} first", [call("pay", cents=1), text("paid")])
    model.script(f"{key} holds", [text("held", gate=gate)])
    model.script(f"{key} third", [text("third")])
    holds = api.start("tester", f"{key} holds", thread_id=thread_id)
    model.wait_for(f"{key} holds")
    first = api.run_in_background("tester", f"{key} first", thread_id=thread_id)
    wait_until(lambda: len(_thread(api, thread_id)["queued"]) == 1, "the first in line")
    third = api.run_in_background("tester", f"{key} third", thread_id=thread_id)
    wait_until(lambda: len(_thread(api, thread_id)["queued"]) == 2, "the second in line")
    gate.open()
    assert api.result(holds)["output"] == "held"
    asked, parked = _answer(first), _answer(third)
    assert (asked.status_code, asked.json()["waiting_for"]) == (202, "approval")
    assert (parked.status_code, parked.json()["status"]) == (202, "queued")
    # Whoever asks for its end is told the same, and waits on once the thread goes on.
    run_id = parked.json()["run_id"]
    again = api.http.get(f"/runs/{run_id}/result")
    assert (again.status_code, again.json()["status"]) == (202, "queued")
    assert api.decide(asked.json()["run_id"], "1.0", "approve").status_code == 200
    assert api.result(asked.json()["run_id"])["output"] == "paid"
    assert api.result(run_id)["output"] == "third"


def test_behind_one_that_was_killed_while_it_waited(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, thread_id: str
) -> None:
    """A dead run waits for nobody: who is behind it waits for the thread, and has it soon."""
    model.script(f"{key} first", [call("pay", cents=1), text("paid")])
    model.script(f"{key} second", [text("second")])
    first = api.start("tester", f"{key} first", thread_id=thread_id)
    api.wait_for_approval(first)
    stack.administer(first, "kill")
    api.wait_for_status(first, "failed")
    second = api.post("tester", f"{key} second", thread_id=thread_id)
    assert (second.status_code, second.json()["output"]) == (200, "second")


def _thread(api: Api, thread_id: str) -> dict[str, list[str]]:
    return api.http.get(f"/threads/{thread_id}").json()


def _answer(started: Future[httpx.Response]) -> httpx.Response:
    return started.result(timeout=20)
