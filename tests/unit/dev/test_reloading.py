"""`make dev` watches what the agents are made of, and shows an author's mistake where it is."""

from pathlib import Path

import pytest

from outlast.registry import load_registry
from outlast_local.example_call import example_call
from outlast_local.one_process import shortened
from outlast_local.reloading import watched

AGENT = "from outlast import Agent\nagents = [Agent(name='mine', instructions='Help {{company}}.')]"


def test_own_agents(root: Path) -> None:
    """The folders of this repository are watched once."""
    assert watched("example_agents")[:3] == [
        root / "app/outlast_app",
        root / "worker/outlast_worker",
        root / "shared/outlast",
    ]


def test_a_package_elsewhere(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a package all is watched, the part that AGENTS does not name, too."""
    (root / "else" / "team" / "agents").mkdir(parents=True)
    (root / "else" / "team" / "__init__.py").touch()
    monkeypatch.syspath_prepend(root / "else")
    assert watched("team.agents")[3:] == [root / "else" / "team"]


def test_a_file_elsewhere(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a module the file is watched, and those beside it, also when it comes to be later."""
    monkeypatch.syspath_prepend(root)
    (root / "tools_of_mine.py").touch()
    assert watched("my_later_agents")[3:] == []
    (root / "my_later_agents.py").write_text("a mistake")
    assert watched("my_later_agents")[3:] == [
        root / "my_later_agents.py",
        root / "tools_of_mine.py",
    ]


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("def (:", 1),
        ("x = 1\nprint(no_such_name)", 2),
        ("import no_such_library", 1),
        ("from outlast import Agent\n\nAgent(nam='x')", 3),
        ("from outlast import NoSuchThing", 1),
    ],
    ids=["SyntaxError", "NameError", "ModuleNotFoundError", "TypeError", "ImportError"],
)
def test_a_mistake_is_shown_where_it_is(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    line: int,
    request: pytest.FixtureRequest,
) -> None:
    """The trace begins in the agent file and has nothing of how that came to be imported."""
    name = f"broken_{request.node.callspec.id}"
    (root / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(root)
    with pytest.raises((SyntaxError, NameError, ImportError, TypeError)) as raised:
        load_registry(name, "openai/x")
    # The test itself loads it here.
    told = [part for part in shortened(raised.value).split("  File ") if __file__ not in part]
    assert len(told) == 2
    assert told[1].startswith(f'"{root / name}.py", line {line}')
    assert type(raised.value).__name__ in told[1]


def test_the_call_to_try(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call that is shown goes to an agent that exists, with what it needs."""
    assert "http://a:1/agents/support/runs" in example_call("http://a:1")
    monkeypatch.syspath_prepend(root)
    (root / "agents_to_try.py").write_text(AGENT)
    (root / ".env").write_text('AGENTS=agents_to_try\nAPP_KEYS={"acme": ["secret-1"]}\n')
    shown = example_call("http://a:1")
    assert "http://a:1/agents/mine/runs" in shown
    assert """-d '{"input": "Hello", "context": {"company": "…"}}'""" in shown
    assert "authorization: Bearer" in shown
    assert "secret-1" not in shown
