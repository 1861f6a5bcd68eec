"""Stands between an app and Restate's ingress, and counts what the app asks for."""

import asyncio
import threading
from collections import Counter
from concurrent.futures import Future
from typing import Self

import aiohttp
from aiohttp import web

from outlast.addresses import Address

_START_S = 10
_PASSED_ON = ("content-type", "x-restate-error-source")


class CountingProxy:
    """A server in a thread of its own; `counts` says how often each handler or verb was asked."""

    def __init__(self, ingress_url: str) -> None:
        self.counts: Counter[str] = Counter()
        self._ingress = Address.parse(ingress_url)
        self._port: Future[int] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._stop: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port.result(_START_S)}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._port.result(_START_S)
        return self

    def __exit__(self, *_error: object) -> None:
        assert self._stop
        loop, stop = self._stop
        loop.call_soon_threadsafe(stop.set)
        self._thread.join(_START_S)

    async def _serve(self) -> None:
        stop = asyncio.Event()
        self._stop = asyncio.get_running_loop(), stop
        async with aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(self._ingress.socket or "", limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
            skip_auto_headers=["Content-Type"],
        ) as session:

            async def pass_on(request: web.BaseRequest) -> web.Response:
                self.counts[request.path.rpartition("/")[2]] += 1
                url = self._ingress.base_url + request.raw_path
                headers = {
                    name: value
                    for name, value in request.headers.items()
                    if name.lower() not in ("host", "content-length")
                }
                data = await request.read() or None
                async with session.request(
                    request.method, url, data=data, headers=headers
                ) as answer:
                    kept = {
                        name: answer.headers[name] for name in _PASSED_ON if name in answer.headers
                    }
                    return web.Response(
                        status=answer.status, body=await answer.read(), headers=kept
                    )

            runner = web.ServerRunner(
                web.Server(pass_on, access_log=None, handler_cancellation=True)  # pyright: ignore[reportArgumentType]  # its types are narrower
            )
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self._port.set_result(runner.addresses[0][1])
            await stop.wait()
            await runner.cleanup()
