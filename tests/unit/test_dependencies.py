"""Each package declares what it imports, and nothing else: so that each installs by itself."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
MEMBERS = ["shared", "shared/agents", "app", "cli", "local", "worker"]
# Declared, but never imported by name.
LOADED_BY_OTHERS = {
    "outlast-cli": "its command finds those of outlast-local by entry points",
    "httptools": "uvicorn parses HTTP with it",
    "uvloop": "uvicorn and hypercorn run on it",
}
# Imported, but not declared.
THERE_ALREADY = {
    "outlast_local": {"pytest"},  # only pytest loads the plug-in
    "outlast": {"outlast-worker"},  # `outlast.testing` says what to install
}


def project_of(member: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / member / "pyproject.toml").read_text())["project"]


def package_of(member: str) -> str:
    return project_of(member)["name"].replace("-", "_")


def declared(member: str) -> set[str]:
    project = project_of(member)
    optional = project.get("optional-dependencies", {}).values()
    wanted = [*project["dependencies"], *(line for group in optional for line in group)]
    return {_normalized(re.split(r"[\[<>=!~ ;]", line, maxsplit=1)[0]) for line in wanted}


def imported(member: str) -> set[str]:
    """Return the distributions that a package's files import, also inside of functions."""
    package = package_of(member)
    ours = {package_of(other): [project_of(other)["name"]] for other in MEMBERS}
    known = {**packages_distributions(), **ours}
    found = {module for file in _files(member) for module in _imports(file)}
    others = found - set(sys.stdlib_module_names) - {package}
    missing = {module for module in others if module not in known}
    assert not missing, f"{package} imports what is not installed: {missing}"
    return {_normalized(known[module][0]) for module in others}


def _files(member: str) -> Iterator[Path]:
    # What a template for users imports is theirs.
    folder = ROOT / member / package_of(member)
    return (file for file in folder.rglob("*.py") if "template" not in file.parts)


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.Import(names=names):
                yield from (alias.name.partition(".")[0] for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.partition(".")[0]
            case _:
                pass


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("member", MEMBERS)
def test_all_that_is_imported_is_declared(member: str) -> None:
    """A package that relies on what another one happens to install breaks without it."""
    undeclared = imported(member) - declared(member)
    assert undeclared - THERE_ALREADY.get(package_of(member), set()) == set()


@pytest.mark.parametrize("member", MEMBERS)
def test_all_that_is_declared_is_used(member: str) -> None:
    """What nobody imports costs every user its download."""
    extras = project_of(member).get("optional-dependencies", {})
    ours = {
        _normalized(re.split(r"[\[=]", line, maxsplit=1)[0])
        for group in extras.values()
        for line in group
        if line.startswith("outlast")
    }
    assert declared(member) - imported(member) - set(LOADED_BY_OTHERS) - ours == set()


@pytest.mark.parametrize("member", MEMBERS)
def test_ours_are_pinned_to_this_version(member: str) -> None:
    """Packages of one version belong together."""
    project = project_of(member)
    optional = project.get("optional-dependencies", {}).values()
    for line in [*project["dependencies"], *(line for group in optional for line in group)]:
        if line.startswith("outlast"):
            assert line.partition("==")[2] == project["version"], line
