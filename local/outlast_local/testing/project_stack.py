"""A local stack of the user's agents, for tests: Restate, worker and app, and a scripted model."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from outlast.protocol import Approval, Decision, Run
from outlast_local.stack import Ports, Stack
from outlast_local.testing.model_server import ModelServer
from outlast_worker.testing.decisions import GivenDecision
from outlast_worker.testing.script import Scripted
from outlast_worker.testing.scripted_model import ScriptError

_DEADLINE_S = 60
_POLL_S = 10
# What a project's `.env` may say for other days: tests have one tenant, and no Redis.
_PLAIN = {
    "APP_KEYS": "{}",
    "REDIS_URL": "",
    "SERVICE_PREFIX": "",
    # A test that is refused would hold back those after it.
    "WORKER_HEED_RATE_LIMITS": "false",
    "WORKER_SHUTDOWN_TIMEOUT_S": "2",
}


class OutlastStack:
    """The stack, and a client of it.

    Attributes:
        url: Of the app, for any HTTP client.
        http: A client of the app.
        model: The scripted model, for runs that a test starts by itself.
        stack: The processes.
    """

    def __init__(self, directory: Path, agents: str, project: Path) -> None:
        """Prepare it; as a context manager it starts, and ends what it started.

        Args:
            directory: For data and logs.
            agents: The module with the list of agents.
            project: The folder whose modules and `.env` count.
        """
        self.model = ModelServer()
        self._directory = directory
        self._agents = agents
        self._project = project

    def __enter__(self) -> Self:
        self.model.__enter__()
        try:
            provider = {"base_url": self.model.url, "keys": [{"name": "scripted", "key": "none"}]}
            settings = {
                "AGENTS": self._agents,
                "WORKER_PROVIDERS": json.dumps({"openai": provider}),
            }
            self.stack = Stack(
                self._directory,
                Ports.free(),
                {**_PLAIN, **settings},
                project=self._project,
                worker_module="outlast_local.testing.worker",
            )
            self.stack.__enter__()
        except BaseException:
            self.model.__exit__(None, None, None)
            raise
        self.url = self.stack.app_url
        self.http = httpx.Client(base_url=self.url, trust_env=False, timeout=_DEADLINE_S)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.http.close()
        self.stack.__exit__(kind, error, trace)
        self.model.__exit__(kind, error, trace)

    def run(
        self,
        agent: str,
        input: str,  # noqa: A002  # as in the HTTP interface
        *,
        model: Sequence[Scripted],
        decisions: Mapping[str, GivenDecision] | None = None,
        **body: Any,
    ) -> Run:
        """Run an agent to its end.

        Args:
            agent: Its name.
            input: What the user says. Another one in each test: the script is found by it.
            model: What the model does, as for `run_in_memory`.
            decisions: What people decide, by tool or by call id.
            body: More of the request, such as `context` or `thread_id`.

        Raises:
            AssertionError: Script or decisions don't fit the run.
        """
        __tracebackhide__ = True
        run_id = self.start(agent, input, model=model, **body)
        run = self.wait_for_end(run_id, decisions)
        if problem := self.model.problem(input):
            ended = f"{run.status}: {run.error.message}" if run.error else run.status
            raise ScriptError(f"The run {run_id} ended ({ended}), and {problem}")
        return run

    def start(
        self,
        agent: str,
        input: str,  # noqa: A002  # as in the HTTP interface
        *,
        model: Sequence[Scripted],
        **body: Any,
    ) -> str:
        """Start a run and return its id; `run` says what the arguments are."""
        self.model.script(input, model)
        answer = self.http.post(
            f"/agents/{agent}/runs",
            json={"input": input, **body},
            headers={"Prefer": "respond-async"},
        )
        return Run.model_validate_json(_checked(answer)).run_id

    def get(self, run_id: str) -> Run:
        """Return a run as it is now."""
        return Run.model_validate_json(_checked(self.http.get(f"/runs/{run_id}")))

    def wait_for_end(
        self, run_id: str, decisions: Mapping[str, GivenDecision] | None = None
    ) -> Run:
        """Wait for the end of a run, and decide on what it asks meanwhile."""
        __tracebackhide__ = True
        deadline = time.monotonic() + _DEADLINE_S
        while time.monotonic() < deadline:
            headers = {"Prefer": f"wait={_POLL_S}"}
            answer = self.http.get(f"/runs/{run_id}/result", headers=headers)
            run = Run.model_validate_json(_checked(answer))
            if run.ended:
                return run
            for approval in run.approvals:
                if approval.resolution is None:
                    self._decide(run_id, approval, decisions or {})
        raise AssertionError(f"{run_id} has not ended within {_DEADLINE_S} s: {self.get(run_id)}")

    def crash_worker(self) -> None:
        """End the worker as a crash would, in the middle of whatever it does; start it again."""
        self.stack.worker.kill()
        self.stack.start_worker()

    def _decide(
        self, run_id: str, approval: Approval, decisions: Mapping[str, GivenDecision]
    ) -> None:
        given = decisions.get(approval.id) or decisions.get(approval.name)
        if given is None:
            raise ScriptError(
                f"{approval.id} of {approval.name} waits for a person, and nothing says what "
                f'they decide. Add `decisions={{"{approval.name}": "approve"}}`.'
            )
        if given == "expire":
            raise ScriptError("Time is real here: let approvals expire in `run_in_memory`.")
        decision = given if isinstance(given, Decision) else Decision(action=given)
        path = f"/runs/{run_id}/approvals/{approval.id}"
        _checked(self.http.post(path, json=decision.model_dump(exclude_none=True)))


def _checked(answer: httpx.Response) -> bytes:
    if not answer.is_success:
        raise AssertionError(f"{answer.request.method} {answer.url}: {answer.text}")
    return answer.content
