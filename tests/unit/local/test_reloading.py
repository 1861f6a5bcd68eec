"""`outlast dev` watches what is served, and shows an author's mistake where it is."""

from pathlib import Path

import pytest

from fakes.repository import ROOT
from outlast.registry import load_registry
from outlast_local.one_process import shortened
from outlast_local.reloading import watched

OWN = [ROOT / "shared/outlast", ROOT / "app/outlast_app", ROOT / "worker/outlast_worker"]


def test_a_project(project: Path) -> None:
    """All that the project is made of is watched, with `.env`, once; its tests are not."""
    for package in ("mine", "library", "tests"):
        (project / package).mkdir()
        (project / package / "__init__.py").touch()
    (project / "settings.py").touch()
    (project / "wheels").mkdir()
    made_of = [project / "mine", project / "settings.py", project / "library"]
    # Ours are worked on here; installed from wheels they are not watched.
    assert watched("mine", project) == [*OWN, *made_of]
    (project / ".env").touch()
    assert watched("mine.agents", project) == [*OWN, Path(".env"), *made_of]


def test_a_package_elsewhere(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a package all is watched, the part that AGENTS does not name, too; nothing beside it."""
    (project / "else" / "team" / "agents").mkdir(parents=True)
    (project / "else" / "team" / "__init__.py").touch()
    (project / "else" / "other.py").touch()
    monkeypatch.syspath_prepend(project / "else")
    assert watched("team.agents", project) == [*OWN, project / "else" / "team"]


def test_a_file(project: Path) -> None:
    """Of a module the file is watched, and those beside it, also when it comes to be later."""
    (project / "tools_of_mine.py").touch()
    assert watched("my_later_agents", project) == OWN
    (project / "my_later_agents.py").write_text("a mistake")
    assert watched("my_later_agents", project) == [
        *OWN,
        project / "my_later_agents.py",
        project / "tools_of_mine.py",
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
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    line: int,
    request: pytest.FixtureRequest,
) -> None:
    """The trace begins in the agent file and has nothing of how that came to be imported."""
    name = f"broken_{request.node.callspec.id}"
    (project / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(project)
    with pytest.raises((SyntaxError, NameError, ImportError, TypeError)) as raised:
        load_registry(name, "openai/x")
    # The test itself loads it here.
    told = [part for part in shortened(raised.value).split("  File ") if __file__ not in part]
    assert len(told) == 2
    assert told[1].startswith(f'"{project / name}.py", line {line}')
    assert type(raised.value).__name__ in told[1]
