"""Forks: a new run that goes on from what another one had said and done after one of its turns."""

from datetime import UTC, datetime
from typing import NamedTuple, NoReturn

from outlast.agent import Agent
from outlast.contract import ForkPoint, RunOrder
from outlast.errors import InvalidRequest, RunNotEnded
from outlast.names import RunRef, derived_run_id, digest_of, new_run_id
from outlast.overrides import faults_of
from outlast.protocol import NO_RUN, ForkedFrom, ForkRun, Overrides
from outlast.registry import Registry
from outlast.trace import Trace
from outlast_app.restate.ingress import Ingress
from outlast_app.restate.outcomes import Pending, Unknown
from outlast_app.runs.orders import as_messages, find_agent, hash_of
from outlast_app.runs.reader import RunReader


class KnownFork(NamedTuple):
    """A fork that the same request, or another one of its key, has made."""

    ref: RunRef
    body_hash: str
    """What tells whether it is the same."""


class Forks:
    """Makes their orders; started they are as any run."""

    def __init__(self, registry: Registry, ingress: Ingress, reader: RunReader) -> None:
        self._registry = registry
        self._ingress = ingress
        self._reader = reader

    async def known(
        self, source: RunRef, body: ForkRun, idempotency_key: str | None
    ) -> KnownFork | None:
        """Return the fork that a request of this key has made, whatever became of its source."""
        if idempotency_key is None:
            return None
        ref = RunRef(source.tenant, derived_run_id(source.agent, source.tenant, idempotency_key))
        if isinstance(await self._ingress.outcome(ref), Unknown):
            return None
        return KnownFork(ref, _hash_of(source, body))

    async def order(
        self,
        source: RunRef,
        body: ForkRun,
        idempotency_key: str | None,
        *,
        stream: bool,
        trace: Trace | None,
    ) -> RunOrder:
        """Make the order of a run that goes on from another one.

        Raises:
            UnknownRun: There is no other one.
            UnknownAgent: Its agent is gone.
            RunNotEnded: It goes on, or waits.
            InvalidRequest: It can't be gone on from after that turn, or not without an input, or
                not with that definition.
        """
        agent = find_agent(self._registry, source.agent)
        if isinstance(await self._reader.end(source), Pending):
            raise RunNotEnded(
                f"The run {source.run_id} has not ended, so more may come of it. Wait for its end "
                "or cancel it, and fork it then."
            )
        point = await self._ingress.fork_point(source, body.after_turn)
        asked = await self._ingress.order(source)
        if point.outcome != "there" or asked is None:
            _refuse(source, body, point)
        if point.is_answered and body.input is None:
            last = "the last word is the model's answer: say what it is to go on with"
            raise InvalidRequest.at(("body.input", last))
        if body.definition == "pinned" and not point.has_definition:
            none = "the run has kept no definition: it failed before it had one; take `current`"
            raise InvalidRequest.at(("body.definition", none))
        overrides = _overrides(agent, asked, body)
        run_id = (
            derived_run_id(agent.name, source.tenant, idempotency_key)
            if idempotency_key
            else new_run_id(agent.name)
        )
        return RunOrder(
            run_id=run_id,
            tenant=source.tenant,
            agent=agent.name,
            input=[] if body.input is None else as_messages(body.input),
            thread_id=body.thread_id,
            admission="queued" if body.thread_id else "none",
            stream=stream if body.stream is None else body.stream,
            context=asked.context,
            metadata=asked.metadata if body.metadata is None else body.metadata,
            limits=body.limits,
            after_s=0,
            created_at=datetime.now(UTC),
            body_hash=_hash_of(source, body),
            repeatable=idempotency_key is not None,
            after_run=NO_RUN if body.thread_id else None,
            overrides=overrides,
            webhooks=body.webhooks,
            trace=trace,
            forked_from=ForkedFrom(
                run_id=source.run_id, after_turn=body.after_turn, definition=body.definition
            ),
        )


def _hash_of(source: RunRef, body: ForkRun) -> str:
    return digest_of(source.run_id, hash_of(body)).hex()[:32]


def _overrides(agent: Agent, asked: RunOrder, body: ForkRun) -> Overrides | None:
    """Return what the other run had otherwise than its agent says.

    Raises:
        InvalidRequest: The agent does not allow it any more.
    """
    overrides = asked.overrides
    if overrides and body.after_turn:  # it was for the first turn
        overrides = overrides.model_copy(update={"tool_choice": None})
    if overrides and body.definition == "current" and (faults := faults_of(agent, overrides)):
        name, why = faults[0]
        gone = f"the run has {name} of its own, with which its agent can't go on now: {why}"
        raise InvalidRequest.at(("body.definition", gone))
    return overrides


def _refuse(source: RunRef, body: ForkRun, point: ForkPoint) -> NoReturn:
    last = point.last_turn
    known = "" if last is None else f"; the last one that can be is {last}"
    match point.outcome:
        case "open_calls":
            calls = ", ".join(point.call_ids)
            why = f"nobody knows what came of the calls {calls} of turn {body.after_turn}{known}"
        case "lost":
            why = (
                f"what was said on the thread before {source.run_id} is not there any more: taken "
                "back, replaced or deleted"
            )
        case _:
            why = f"{source.run_id} has not had a turn {body.after_turn} to its end{known}"
    raise InvalidRequest.at(("body.after_turn", why))
