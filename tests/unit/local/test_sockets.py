"""The short folder in which a local stack's Restate has its sockets."""

import asyncio
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web

import outlast_local.sockets
from outlast.addresses import Address
from outlast_local.errors import ForeignFolder
from outlast_local.sockets import RestateSockets


@pytest.fixture
def parent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setattr(outlast_local.sockets, "_PARENT", Path(folder))
        yield Path(folder)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path.joinpath(*["a folder with a long name"] * 6, "restate")


def test_the_paths_are_short_wherever_the_data_is(data: Path):
    sockets = RestateSockets(data)
    assert len(str(data)) > 108
    for url in (sockets.ingress_url, sockets.admin_url):
        path = Address.parse(url).socket
        assert path
        assert len(path) < 60


def test_the_folder_is_this_users_alone_and_leads_to_the_data(parent: Path, data: Path):
    RestateSockets(data).make()
    [folder] = parent.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((data / "node-1").stat().st_mode) == 0o700
    assert (folder / "node-1").resolve() == (data / "node-1").resolve()


def test_each_data_has_one_folder_for_all_commands(parent: Path, data: Path, tmp_path: Path):
    RestateSockets(data).make()
    RestateSockets(data).make()
    assert RestateSockets(data).admin_url == RestateSockets(data).admin_url
    RestateSockets(tmp_path / "other").make()
    assert len(list(parent.iterdir())) == 2


def test_what_is_removed_can_be_made_again(parent: Path, data: Path):
    sockets = RestateSockets(data)
    sockets.remove()  # nothing there is fine
    sockets.make()
    (data / "node-1" / "db").touch()
    sockets.remove()
    assert not list(parent.iterdir())
    sockets.make()
    assert (data / "node-1" / "db").exists()


@pytest.mark.parametrize("kind", ["open", "link", "file"])
def test_what_somebody_else_has_put_there_is_not_used(parent: Path, data: Path, kind: str):
    sockets = RestateSockets(data)
    sockets.make()
    [folder] = parent.iterdir()
    sockets.remove()
    if kind == "open":
        folder.mkdir(mode=0o777)
        folder.chmod(0o777)
    elif kind == "link":
        (parent / "theirs").mkdir(mode=0o700)
        folder.symlink_to(parent / "theirs")
    else:
        folder.touch()
    with pytest.raises(ForeignFolder, match="Remove it"):
        sockets.make()


async def test_restate_is_up_when_both_its_servers_are(parent: Path, data: Path):
    async def healthy(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response()

    sockets = RestateSockets(data)
    sockets.make()
    runners: list[web.ServerRunner] = []
    for name in ("admin", "ingress"):
        assert not await asyncio.to_thread(sockets.are_up)
        runner = web.ServerRunner(web.Server(healthy))
        await runner.setup()
        await web.UnixSite(runner, getattr(sockets, f"{name}_url").removeprefix("unix://")).start()
        runners.append(runner)
    assert await asyncio.to_thread(sockets.are_up)
    for runner in runners:
        await runner.cleanup()
    assert not await asyncio.to_thread(sockets.are_up)
