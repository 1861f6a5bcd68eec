"""The commands by name: what a listing costs, and commands of other packages."""

import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from typing import Annotated

import pytest
import typer

from outlast_cli import catalog
from unit.cli.conftest import Outlast

_GREETING = "unit.cli.test_catalog:greet"


def greet(name: Annotated[str, typer.Argument()]) -> None:
    """Greet somebody.

    At length.
    """
    typer.echo(f"hello {name}")


@pytest.fixture
def plug_ins(monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
    """The entry points that are installed; none at first."""
    found: list[EntryPoint] = []

    def entry_points(group: str) -> EntryPoints:
        assert group == catalog.PLUG_INS
        return EntryPoints(found)

    monkeypatch.setattr(catalog, "entry_points", entry_points)
    return found


def _plug_in(name: str, value: str = _GREETING) -> EntryPoint:
    return EntryPoint(name, value, catalog.PLUG_INS)


def _imports(*arguments: str) -> set[str]:
    """Return the packages that a command imports."""
    script = (
        "import sys; from outlast_cli.__main__ import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", script, *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in ended.stderr.split()}


def test_a_listing_is_cheap() -> None:
    """`outlast --help` imports neither a command nor what commands need."""
    assert not {"httpx", "outlast", "outlast_local", "pydantic"} & _imports("--help")


def test_a_client_stays_a_client() -> None:
    """A command that talks to a server imports nothing of the stack."""
    imported = _imports("run", "--help")
    assert "httpx" in imported
    assert not {"outlast_app", "outlast_local", "outlast_worker", "restate"} & imported


@pytest.mark.parametrize("name", catalog.RUNS)
def test_summaries(name: str) -> None:
    """The listing says of a command what its own help says first."""
    assert (catalog.load(name).help or "").partition("\n")[0] == catalog.RUNS[name][1]


@pytest.mark.parametrize("plug_in", entry_points(group=catalog.PLUG_INS), ids=lambda it: it.name)
def test_summaries_of_a_project(plug_in: EntryPoint) -> None:
    """What is installed beside this package says of itself what the listing says."""
    said = (catalog.load(plug_in.name).help or "").partition("\n")[0]
    assert said == catalog.PROJECT[plug_in.name]


def test_listing(outlast: Outlast, plug_ins: list[EntryPoint]) -> None:
    """Commands are listed in groups, also those whose package is missing, broken or not ours."""
    plug_ins += [_plug_in("greet"), _plug_in("broken", "nowhere:run")]
    shown = outlast("--help").out
    project, _, others = shown.partition("Runs and threads")
    assert "Your project" in project
    assert [name for name in catalog.PROJECT if f" {name} " not in project] == []
    ours, _, others = others.partition("Added by other packages")
    assert [name for name in catalog.RUNS if f" {name} " not in ours] == []
    assert "Greet somebody." in others
    assert "At length." not in others
    assert "No module named 'nowhere'" in " ".join(others.replace("│", " ").split())


def test_a_command_of_another_package(outlast: Outlast, plug_ins: list[EntryPoint]) -> None:
    """A plug-in's function is a command as ours are, with arguments and help."""
    plug_ins.append(_plug_in("init"))
    assert outlast("init", "ann") == (0, "hello ann\n", "")
    assert "At length." in outlast("init", "--help").out
    assert outlast("init").code == 2


def test_a_group_of_another_package(outlast: Outlast, plug_ins: list[EntryPoint]) -> None:
    """A plug-in may bring commands of its own under one name."""
    plug_ins.append(_plug_in("more", "unit.cli.test_catalog:more"))
    assert outlast("more", "greet", "ann").out == "hello ann\n"


more = typer.Typer()
more.command("greet")(greet)
more.command("welcome")(greet)


def test_ours_come_first(outlast: Outlast, plug_ins: list[EntryPoint]) -> None:
    """No other package takes the place of a command of this one."""
    plug_ins.append(_plug_in("get"))
    assert "Show a run as it is now." in outlast("get", "--help").out


@pytest.mark.parametrize("arguments", [["init"], ["init", "--help"]])
def test_a_missing_package(
    outlast: Outlast, plug_ins: list[EntryPoint], arguments: list[str]
) -> None:
    """A command whose package is missing says what to install."""
    ended = outlast(*arguments)
    assert (ended.code, ended.out, plug_ins) == (2, "", [])
    assert 'pip install "outlast[local]"' in ended.err


def test_a_broken_package(outlast: Outlast, plug_ins: list[EntryPoint]) -> None:
    """A command that can't be imported says so in one line."""
    plug_ins.append(_plug_in("dev", "nowhere:run"))
    ended = outlast("dev")
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    assert "nowhere:run" in ended.err


def test_an_unknown_command(outlast: Outlast, plug_ins: list[EntryPoint]) -> None:
    """A typing mistake is answered with what is near."""
    ended = outlast("approv")
    assert (ended.code, plug_ins) == (2, [])
    assert "approve" in ended.err
