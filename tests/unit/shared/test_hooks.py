"""Hooks as they are declared: a mistake is refused where it is made."""

from datetime import timedelta
from typing import Any

import pytest

from outlast import Agent, DefinitionError, after_tool, before_tool, input_guardrail, on_end
from outlast.registry import Registry


def look(_call: Any, _context: Any) -> None:
    """Look at a call."""


def agent(*hooks: Any) -> Agent:
    return Agent(name="desk", instructions="Help.", hooks=hooks)


def test_declared() -> None:
    """A hook has its function's name and its point, is listed in order, and stays a function."""
    hooks = [before_tool(look), on_end(name="told", timeout=timedelta(seconds=1))(look)]
    assert hooks[0]("call", "context") is None
    registry = Registry([agent(*hooks)], "openai/x")
    described = registry.describe(agent(*hooks))
    shown = [(hook.point, hook.name) for hook in described.hooks]
    assert shown == [("before_tool", "look"), ("on_end", "told")]
    assert described.digest != registry.agent_digest(agent())
    assert registry.teams.may_ask_people(agent(*hooks))
    assert not registry.teams.may_ask_people(agent(hooks[1]))


@pytest.mark.parametrize(
    ("declare", "fix"),
    [
        (lambda: before_tool(lambda call, context: None), "give it a name"),
        (lambda: before_tool(name="no name")(look), "give it a name"),
        (lambda: input_guardrail(lambda text, context: None), "give it a name"),
        (lambda: before_tool(timeout=timedelta(0))(look), "write 1 h at most, and over 0"),
        (lambda: before_tool(timeout=timedelta(hours=2))(look), "write 1 h at most, and over 0"),
        (lambda: after_tool(look), "it is called with 3 arguments, the last one a RunContext"),  # type: ignore[arg-type]
        (lambda: before_tool(7), "7 is no function"),  # type: ignore[call-overload]
        (lambda: agent(look), "desk: .* is no hook; decorate the function with @before_model"),
        (lambda: agent(before_tool(look), on_end(look)), "desk: two hooks are called 'look'"),
        (lambda: Agent(name="a", instructions="b", hooks=look), "hooks is .*; it must be a list"),  # type: ignore[arg-type]
    ],
)
def test_mistakes(declare: Any, fix: str) -> None:
    """Each says how to mend it."""
    with pytest.raises(DefinitionError, match=fix):
        declare()
