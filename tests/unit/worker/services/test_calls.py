"""What callers believe of a handler is what its signature says."""

import inspect
from collections import defaultdict
from typing import Any, cast

import pytest
import restate

from outlast import Agent, DurableContext, tool
from outlast.registry import Registry
from outlast_worker.main import make_dependencies
from outlast_worker.register import service_names
from outlast_worker.services import calls
from outlast_worker.services.all import build_services
from outlast_worker.services.calls import Call
from outlast_worker.services.thread_state import ThreadRun
from outlast_worker.settings import WorkerSettings

CALLS: dict[str, Call[Any, Any]] = {
    name: call for name, call in vars(calls).items() if isinstance(call, Call)
}


@tool(durable=True)
async def ship(context: DurableContext) -> None:
    """Ship an order."""
    await context.step("label", list)


@pytest.fixture(scope="module")
def signatures() -> dict[str, list[tuple[Any, Any]]]:
    """What each handler takes and gives, by name; services may have one of the same name."""
    agent = Agent(name="support", instructions="Help.", tools=[ship])
    registry = Registry([agent], default_model="openai/x")
    services = build_services(make_dependencies(WorkerSettings(), registry))
    found = defaultdict[str, list[tuple[Any, Any]]](list)
    for service in services:
        for name, handler in service.handlers.items():
            signature = inspect.signature(inspect.unwrap(handler.fn))
            taken = [parameter.annotation for parameter in signature.parameters.values()][1:]
            found[name].append((taken[0] if taken else None, signature.return_annotation))
    return found


@pytest.mark.parametrize("name", CALLS)
def test_a_call_fits_its_handler(name: str, signatures: dict[str, list[tuple[Any, Any]]]) -> None:
    """It is there under this name, takes what is sent and gives what is read."""
    call = CALLS[name]
    assert (call.takes, call.gives) in signatures[call.name]


def test_all_services_are_registered() -> None:
    """Registering knows of each service that the worker has: others would count as removed."""
    plain = Agent(name="assistant", instructions="Help.")
    agent = Agent(name="support", instructions="Help.", tools=[ship])
    registry = Registry([plain, agent], default_model="openai/x")
    settings = WorkerSettings.model_validate({"SERVICE_PREFIX": "p-"})
    services = build_services(make_dependencies(settings, registry))
    assert sorted(service_names(registry, "p-")) == sorted(service.name for service in services)


def test_there_are_calls() -> None:
    """The comparison above is of something."""
    assert {"RUN", "JOIN", "RELEASE", "SALVAGE", "WATCH"} <= CALLS.keys()


class Sending:
    """Notes what is sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[Any, ...]] = []

    def generic_send(self, service: str, handler: str, arg: bytes, **options: Any) -> None:
        self.sent.append((service, handler, arg, options["key"]))


def test_who_is_called() -> None:
    """A run is addressed by its agent and tenant, with the prefix of this stack."""
    run = ThreadRun(
        run_id="support.a", agent="support", tenant="acme", invocation_id="inv_1", body_hash="h"
    )
    assert calls.run_target("p-", run) == calls.Target("p-support", "acme/support.a")
    context = Sending()
    calls.ADMIT.send(cast("restate.Context", context), calls.run_target("", run), None)
    assert context.sent == [("support", "admit", b"", "acme/support.a")]
