"""What people decide on a run's approvals, as a test says it."""

from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic_core import to_json

from outlast.agent import Agent
from outlast.arguments import read_arguments
from outlast.protocol import ACTIONS, Approval, Decision
from outlast_worker.testing.scripted_model import ScriptError
from outlast_worker.tools.author_code import call_safely
from outlast_worker.tools.given_content import faults_of_content

GivenDecision = Decision | Literal["approve", "reject", "expire", "stop", "decline"]
"""A word, or a `Decision` with its `reason`, its `arguments` or its `content`."""


class Decisions:
    """Finds what was decided on a call, by its id or by its tool's name."""

    def __init__(self, given: Mapping[str, GivenDecision], agents: Iterable[Agent] = ()) -> None:
        self._tools = {
            tool.name: tool for agent in agents for tool in (*agent.functions, *agent.agent_tools)
        }
        self._given = given
        self._unused = dict(given)

    def of(self, agents: Iterable[Agent]) -> "Decisions":
        """Return the same for a run in which these agents speak; what that uses is used."""
        shared = Decisions(self._given, agents)
        shared._unused = self._unused
        return shared

    @property
    def spare(self) -> str | None:
        """What nobody was asked about, and what to do."""
        if not self._unused:
            return None
        keys = ", ".join(repr(key) for key in self._unused)
        return f"nobody was asked about {keys} of `decisions={{…}}`. Take it out, or see why not."

    def on(self, approval: Approval) -> Decision | None:
        """Return the decision; None if there is none in time.

        Raises:
            ScriptError: The test does not say, or what it says is not possible.
        """
        key = approval.id if approval.id in self._given else approval.name
        if key not in self._given:
            raise ScriptError(
                f"{approval.id} of {approval.name} waits for a person, and nothing "
                f'says what they decide. Add `decisions={{"{approval.name}": {_hint(approval)}; '
                "an id in place of the name means only that one."
            )
        self._unused.pop(key, None)
        given = self._given[key]
        if given == "expire":
            if approval.expires_at is None:
                raise ScriptError(
                    f"The approval of {approval.name} does not expire: its tool has no "
                    "approval_timeout."
                )
            return None
        decision = given if isinstance(given, Decision) else Decision(action=given)
        if decision.action not in ACTIONS[approval.reason]:
            raise ScriptError(
                f"{approval.id} of {approval.name} has the reason {approval.reason}, and can't be "
                f'decided by {decision.action!r}. Say `{{"{approval.id}": {_hint(approval)}.'
            )
        self._check_arguments(approval, decision)
        _check_content(approval, decision)
        return decision

    def _check_arguments(self, approval: Approval, decision: Decision) -> None:
        """Refuse arguments that the app would refuse."""
        if decision.arguments is None:
            return
        try:
            arguments = read_arguments(to_json(decision.arguments).decode())
            call_safely(self._tools[approval.name].parse, arguments)
        except Exception as error:
            raise ScriptError(
                f"The arguments in the decision on {approval.name} do not fit the tool: {error}"
            ) from error


def _check_content(approval: Approval, decision: Decision) -> None:
    """Refuse an answer that the app would refuse."""
    faults = faults_of_content(approval, decision) if decision.action == "answer" else []
    if faults:
        raise ScriptError(f"The answer to {approval.id} does not fit: {'; '.join(faults)}")


def _hint(approval: Approval) -> str:
    if approval.reason == "input":
        return '"decline"}`, or `Decision(action="answer", content={…})`'
    if approval.reason == "limit":
        limits = f"Limits({approval.name}=…)"
        return f'"stop"}}`, or `Decision(action="raise", limits={limits})`'
    return '"approve"}`, or "reject" or "expire"'
