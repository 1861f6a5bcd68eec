"""The wheels: what is in them, and that each installs, imports and runs by itself."""

import tomllib
import zipfile
from collections.abc import Callable, Sequence
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import Any

import pytest

from packages.environments import ROOT, Environment, Environments

pytestmark = [pytest.mark.packages, pytest.mark.timeout(600)]

MEMBERS = {
    "outlast": "shared",
    "outlast_app": "app",
    "outlast_cli": "cli",
    "outlast_local": "local",
    "outlast_worker": "worker",
}
# What is installed, and which packages of ours come with it.
INSTALLS = {
    "outlast": {"outlast"},
    "outlast[app]": {"outlast", "outlast_app"},
    "outlast[worker]": {"outlast", "outlast_worker"},
    "outlast-cli": {"outlast", "outlast_cli"},
    "outlast[local]": set(MEMBERS),
}
# A plug-in is for pytest, and a server is an extra: neither is here.
WITHOUT_ALL = ["outlast_local.pytest_plugin", "outlast_worker.granian_server"]
# Imports every module of a package, and prints which.
IMPORT_ALL = """
import importlib, pkgutil, sys

def modules(package):
    yield package.__name__
    for found in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if found.ispkg:
            yield from modules(importlib.import_module(found.name))
        elif not found.name.endswith(".__main__"):
            yield found.name

for name in {packages}:
    for module in modules(importlib.import_module(name)):
        if module not in {skipped}:
            importlib.import_module(module)
            print(module)
"""


def _open(wheels: Sequence[Path], package: str) -> zipfile.ZipFile:
    [path] = [path for path in wheels if path.name.startswith(f"{package}-")]
    return zipfile.ZipFile(path)


def _metadata(wheel: zipfile.ZipFile) -> Message:
    [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return Parser().parsestr(wheel.read(name).decode())


def _project(package: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / MEMBERS[package] / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("package", MEMBERS)
def test_contents(wheels: Sequence[Path], package: str) -> None:
    """A wheel has its package with its types, the licence and its metadata: nothing else."""
    with _open(wheels, package) as wheel:
        names = [name for name in wheel.namelist() if not name.endswith("/")]
        [about] = {name.partition("/")[0] for name in names if ".dist-info/" in name}
        assert {name.partition("/")[0] for name in names} == {package, about}
        assert f"{package}/py.typed" in names
        assert f"{about}/licenses/LICENSE" in names
        code = [name for name in names if not name.startswith("outlast_local/template/")]
        assert not [name for name in code if "__pycache__" in name or "tests/" in name]
        member = ROOT / MEMBERS[package]
        files = [file for file in (member / package).rglob("*") if file.is_file()]
        ours = {str(file.relative_to(member)) for file in files if file.suffix != ".pyc"}
        assert ours == {name for name in names if not name.startswith(about)}


@pytest.mark.parametrize("package", MEMBERS)
def test_metadata(wheels: Sequence[Path], package: str) -> None:
    """A wheel asks for what its manifest declares, and for ours in exactly its own version."""
    project = _project(package)
    with _open(wheels, package) as wheel:
        metadata = _metadata(wheel)
    asked = metadata.get_all("Requires-Dist") or []
    plain = {line.lower() for line in asked if "extra ==" not in line}
    assert plain == {line.lower() for line in project["dependencies"]}
    ours = [line.partition(";")[0].strip() for line in asked if line.startswith("outlast")]
    assert [line for line in ours if not line.endswith(f"=={project['version']}")] == []
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11, <3.14"


@pytest.mark.parametrize("wanted", INSTALLS)
def test_each_by_itself(environments: Environments, wanted: str) -> None:
    """Every module imports with what its own package brings along."""
    environment = environments.with_wheels(wanted)
    packages = INSTALLS[wanted]
    # The kit says what to install.
    skipped = set(WITHOUT_ALL)
    if "outlast_worker" not in packages:
        skipped.add("outlast.testing")
    if "outlast_local" not in packages:  # which brings the extras of the worker along
        skipped |= {f"outlast_worker.mcp.{name}" for name in ("connection", "http", "stdio")}
    code = IMPORT_ALL.format(packages=sorted(packages), skipped=sorted(skipped))
    imported = environment.run_code(code).splitlines()
    assert {name.partition(".")[0] for name in imported} == packages
    others = sorted(set(MEMBERS) - packages)
    found = environment.run_code(
        f"from importlib.util import find_spec; print([n for n in {others} if find_spec(n)])"
    )
    assert found.strip() == "[]"


@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_other_pythons(
    environments: Environments, find_python: Callable[[str], str | None], version: str
) -> None:
    """All of it installs and imports with the other Pythons, where this machine has them."""
    python = find_python(version)
    if python is None:
        pytest.skip(f"NOT TRIED: this machine has no Python {version}")
    environment = environments.with_wheels("outlast[local]", python=python)
    code = IMPORT_ALL.format(packages=sorted(MEMBERS), skipped=WITHOUT_ALL)
    assert environment.run_code(code)
    assert environment.run("outlast", "--help")


def test_public_names(environments: Environments) -> None:
    """What agent files import is in the smallest package."""
    environment = environments.with_wheels("outlast")
    environment.run_code("from outlast import Agent, DefinitionError, Limits, Tool, ToolContext")
    environment.run_code("from outlast import ToolError, tool")


def test_kit_that_is_missing(environments: Environments) -> None:
    """Where there is no engine, the test kit says what to install."""
    environment = environments.with_wheels("outlast")
    said = environment.run_code(
        "try:\n  import outlast.testing\nexcept ModuleNotFoundError as error:\n  print(error)"
    )
    assert 'pip install "outlast[local]"' in said


@pytest.mark.parametrize("wanted", ["outlast-cli", "outlast[local]"])
def test_command(environments: Environments, wanted: str) -> None:
    """The command is there, with the commands of a client."""
    said = environments.with_wheels(wanted).run("outlast", "--help")
    assert "chat" in said


def test_kit_runs(everything: Environment) -> None:
    """An agent runs in memory where nothing but wheels is installed."""
    (everything.work / "hello.py").write_text(
        "import asyncio\n"
        "from outlast import Agent\n"
        "from outlast.testing import run_in_memory, text\n"
        "agent = Agent(name='a', instructions='Be brief.')\n"
        "print(asyncio.run(run_in_memory(agent, 'Hi.', model=[text('Hello.')])).output)\n"
    )
    assert everything.run(everything.python, "hello.py").strip() == "Hello."
