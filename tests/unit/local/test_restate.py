"""Where the Restate server of a local stack comes from, and how one that is fetched stays whole."""

import json
import multiprocessing
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from outlast_local.errors import NoRestate, NotFetched
from outlast_local.restate import VERSION, binary, container, npm
from outlast_local.stack import Ports, Stack

SERVER = '#!/bin/sh\necho "restate-server {version}"\n'
# Does what npm does, and says so in a file.
NPM = f"""#!{sys.executable}
import json, os, pathlib, sys, time
arguments = sys.argv[1:]
folder = pathlib.Path(arguments[arguments.index("--prefix") + 1])
with open(os.environ["NPM_LOG"], "a") as log:
    log.write(arguments[-1] + "\\n")
if os.environ.get("NPM_FAILS"):
    sys.exit("npm: no such thing")
time.sleep(0.3)
package = folder / "node_modules" / arguments[-1].rpartition("@")[0]
(package / "bin").mkdir(parents=True)
(package / "package.json").write_text(json.dumps({{"version": "{VERSION}"}}))
server = package / "bin" / "restate-server"
server.write_text({SERVER.format(version=VERSION)!r})
server.chmod(0o755)
"""


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def package(folder: Path, version: str = VERSION) -> Path:
    """Write what npm would install into a folder."""
    name = binary.npm_package()
    assert name
    installed = folder / "node_modules" / name
    server = program(installed / "bin" / "restate-server", SERVER.format(version=version))
    (installed / "package.json").write_text(json.dumps({"version": version}))
    return server


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing in it but a shell, and a cache of the test's own."""
    folder = tmp_path / "path"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("OUTLAST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NPM_LOG", str(tmp_path / "npm.log"))
    return folder


@pytest.fixture
def asked(tmp_path: Path, path: Path) -> Callable[[], list[str]]:
    """Put an npm on PATH, and tell what it was asked for."""
    program(path / "npm", NPM)
    log = tmp_path / "npm.log"
    return lambda: log.read_text().splitlines() if log.exists() else []


def test_the_projects_own(tmp_path: Path) -> None:
    """What npm has installed beside the project is used, in the right version only."""
    assert binary.in_node_modules(tmp_path) is None
    server = package(tmp_path)
    assert binary.in_node_modules(tmp_path) == server
    package(tmp_path, "1.0.0")
    assert binary.in_node_modules(tmp_path) is None


def test_path(path: Path, tmp_path: Path) -> None:
    """The server on PATH is used, in the right version; of npm's script what that would run."""
    assert binary.on_path() is None
    elsewhere = package(tmp_path / "elsewhere")
    (path / "restate-server").symlink_to(program(tmp_path / "old", "#!/nothing\n"))
    assert binary.on_path() is None
    (path / "restate-server").unlink()
    script = elsewhere.parents[2] / "restate-server" / "lib" / "index.js"
    (path / "restate-server").symlink_to(program(script, "#!/usr/bin/env node\n"))
    assert binary.on_path() == elsewhere


def test_another_version_does_not_do(tmp_path: Path) -> None:
    """A program that has another version, or does not run, is not one of ours."""
    assert binary.works(program(tmp_path / "ours", SERVER.format(version=VERSION)))
    assert not binary.works(program(tmp_path / "old", SERVER.format(version="1.0.0")))
    assert not binary.works(program(tmp_path / "broken", "#!/no/such/shell\n"))
    assert not binary.works(tmp_path / "missing")


def test_fetched_once(
    tmp_path: Path, asked: Callable[[], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Npm is asked once, and it is said what for, how much and where to."""
    server = npm.fetch()
    assert server.is_relative_to(tmp_path / "cache" / f"restate-{VERSION}")
    assert binary.works(server)
    said = capsys.readouterr().err
    assert f"Fetching the Restate server {VERSION} with npm (78 MB, 216 MB unpacked)" in said
    assert npm.fetched() == server
    assert npm.fetch() == server
    assert asked() == [f"{binary.npm_package()}@{VERSION}"]


@pytest.mark.parametrize("damage", ["gone", "empty", "cut"])
def test_a_broken_one_is_mended(asked: Callable[[], list[str]], damage: str) -> None:
    """A server that something has happened to is fetched again; what was cut is cleared away."""
    server = npm.fetch()
    if damage == "gone":
        server.unlink()
    elif damage == "empty":
        server.write_bytes(b"")
    else:
        server.write_bytes(b"\x7fELF")
    left = npm.cache_folder() / f"restate-{VERSION}.of-an-install-that-was-killed"
    left.mkdir()
    assert npm.fetched() is None
    assert binary.works(npm.fetch())
    assert not left.exists()
    assert len(asked()) == 2


def test_several_at_once(asked: Callable[[], list[str]]) -> None:
    """Processes that want it at once take turns, and the first one fetches it for all."""
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        found = {pool.apply_async(npm.fetch) for _ in range(4)}
        assert len({result.get(30) for result in found}) == 1
    assert len(asked()) == 1


def test_npm_fails(monkeypatch: pytest.MonkeyPatch, asked: Callable[[], list[str]]) -> None:
    """What npm says is passed on, and nothing is left that looks like a server."""
    monkeypatch.setenv("NPM_FAILS", "1")
    with pytest.raises(NotFetched, match="no such thing"):
        npm.fetch()
    assert npm.fetched() is None
    assert [path.name for path in npm.cache_folder().iterdir()] == [".lock"]


def test_no_way_to_get_one(tmp_path: Path, path: Path) -> None:
    """Without any it is said what to install."""
    stack = Stack(tmp_path / "stack", Ports.free())
    with pytest.raises(NoRestate, match="Install Docker, or Node"):
        stack.start_restate()
    stack.stop()


# Docker.

DOCKER = """#!/bin/sh
case "$1 $2" in
  "context inspect") echo "{endpoint}" ;;
  "info --format") {info} ;;
esac
"""


@pytest.mark.parametrize(
    ("endpoint", "info", "usable"),
    [
        ("unix:///var/run/docker.sock", "echo '[\"name=seccomp\"]'", True),
        ("unix:///var/run/docker.sock", 'echo \'["name=seccomp","name=rootless"]\'', False),
        ("tcp://10.0.0.1:2375", "echo null", False),
        ("unix:///var/run/docker.sock", "exit 1", False),
    ],
    ids=["local", "rootless", "remote", "no daemon"],
)
def test_which_docker_does(
    path: Path, endpoint: str, info: str, usable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker has to share this machine's loopback."""
    monkeypatch.setattr("platform.system", lambda: "Linux")
    assert not container.is_usable()
    program(path / "docker", DOCKER.format(endpoint=endpoint, info=info))
    assert container.is_usable() == usable


def test_the_container_is_found_by_its_id(tmp_path: Path, path: Path) -> None:
    """A container that outlived its stack is ended by the id that Docker wrote down."""
    program(path / "docker", f'#!/bin/sh\necho "$@" >> {tmp_path}/docker.log\n')
    container.remove(tmp_path)
    (tmp_path / "restate.cid").write_text("4f1c\n")
    container.remove(tmp_path)
    container.remove(tmp_path)
    assert (tmp_path / "docker.log").read_text() == "rm --force 4f1c\n"
