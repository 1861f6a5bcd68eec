"""Wheels of the version before, beside the code of this one."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from fakes.model_server import ScriptedModel
from fakes.repository import ROOT
from fakes.stack import TESTS, TestStack
from outlast_local.process import Process

_PACKAGES = ("shared", "app", "worker")
_VERSION_LINE = "JOURNAL_VERSION = "
_HASH = re.compile(r"[0-9a-f]{40,}")


@dataclass(frozen=True)
class OlderVersion:
    """The packages as they were at a commit that raised the journal version."""

    folder: Path

    def environment(self, stack: TestStack) -> dict[str, str]:
        """Return what lets a process of the stack run the older code.

        It reaches Restate by its ports: older versions know no other way.
        """
        return {
            "PYTHONPATH": os.pathsep.join((str(self.folder), str(TESTS / "skew"))),
            "RESTATE_INGRESS_URL": stack.ingress_url,
            "RESTATE_ADMIN_URL": stack.admin_url,
        }


@pytest.fixture(scope="session")
def older(tmp_path_factory: pytest.TempPathFactory) -> OlderVersion:
    """Wheels built from history, unpacked where only the processes that are told so see them."""
    return _build(tmp_path_factory.mktemp("older"), raises_ago=0)


@pytest.fixture(scope="session")
def of_earlier_journal(tmp_path_factory: pytest.TempPathFactory) -> OlderVersion:
    """The same for the journal version before, whose runs no worker of this one can execute."""
    return _build(tmp_path_factory.mktemp("earlier"), raises_ago=1)


def _build(folder: Path, raises_ago: int) -> OlderVersion:
    commits = _raising_commits()
    if len(commits) <= raises_ago:
        pytest.skip("the history of this clone does not reach to the version before")
    archive = folder / "source.tar"
    _git("archive", "--output", str(archive), commits[raises_ago])
    source, installed = folder / "source", folder / "installed"
    source.mkdir()
    _run("tar", "-xf", str(archive), "-C", str(source))
    uv = str(Path(sys.executable).with_name("uv"))
    for package in _PACKAGES:
        build = (uv, "build", "--wheel", "--offline", "--quiet", "--python", sys.executable)
        _run(*build, "--out-dir", str(folder / "wheels"), str(source / package))
    wheels = map(str, sorted((folder / "wheels").glob("*.whl")))
    install = (uv, "pip", "install", "--quiet", "--offline", "--no-deps")
    _run(*install, "--target", str(installed), *wheels)
    return OlderVersion(installed)


def _raising_commits() -> list[str]:
    """Return the commits that raised the journal version, the latest one first.

    The line may have moved since from file to file: of a version the first commit counts.
    """
    found = _git(
        "log", "--reverse", "--format=%H", "-p", "-U0", "-G", f"^{_VERSION_LINE}", "--", "worker"
    )
    raised_by: dict[str, str] = {}
    commit = ""
    for line in found.decode().splitlines():
        if _HASH.fullmatch(line):
            commit = line
        elif line.startswith(f"+{_VERSION_LINE}"):
            raised_by.setdefault(line, commit)
    return list(raised_by.values())[::-1]


class SkewedStack(TestStack):
    """A stack whose app or worker may be of another version than the rest."""

    def __init__(
        self, directory: Path, model: ScriptedModel, older: OlderVersion, parts: set[str]
    ) -> None:
        agents = {"AGENTS": "agents_of_both", "PYTHONPATH": str(TESTS / "skew")}
        super().__init__(directory, model, agents)
        self._older = older
        if "app" in parts:
            self.app = self._of("app", older.environment(self))
        if "worker" in parts:
            self.worker = self._of("worker", older.environment(self))

    def register_older(self) -> None:
        """Register the older worker as it does so itself."""
        environment = {**self.environment, **self._older.environment(self)}
        _run(sys.executable, "-m", "outlast_worker", "register", environment=environment)

    def upgrade_worker(self) -> None:
        """End the worker, and start one of this version in its place."""
        self.worker.terminate()
        self.worker = self._of("worker", {})
        self.start_worker()
        self.register()

    def upgrade_app(self) -> None:
        """End the app, and start one of this version in its place."""
        self.app.terminate()
        self.app = self._of("app", {})
        self.start_app()
        self.wait_ready()

    def _of(self, part: str, settings: Mapping[str, str]) -> Process:
        return Process(
            part,
            [sys.executable, "-m", f"outlast_{part}"],
            {**self.environment, **settings},
            self.directory / f"{part}.log",
            self.directory,
        )


def _git(*arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else b""


def _run(*command: str, environment: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stderr}"
