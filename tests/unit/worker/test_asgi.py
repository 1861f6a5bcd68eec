"""How responses end under hypercorn."""

import asyncio
from typing import Any

import pytest

from outlast_worker.asgi import end_after_input

END = {"type": "http.response.body", "body": b"", "more_body": False}
MORE = {"type": "http.response.body", "body": b"x", "more_body": True}


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _refuse(_message: dict[str, Any]) -> None:
    raise RuntimeError("TaskGroup is shutting down")


async def test_it_ends_after_its_request() -> None:
    """Not before, whatever the application says."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    hear, say = end_after_input(_receive, send)
    ending = asyncio.ensure_future(say(END))
    await say(MORE)
    assert sent == [MORE]
    await hear()
    await ending
    assert sent == [MORE, END]


async def test_a_connection_that_closes() -> None:
    """That an ended response can't be told any more is no error; that it can't go on is one."""
    hear, say = end_after_input(_receive, _refuse)
    await hear()
    await say(END)
    with pytest.raises(RuntimeError):
        await say(MORE)
