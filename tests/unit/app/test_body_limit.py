"""Bodies that are too large."""

import json
from collections.abc import AsyncIterator

import pytest

from fakes.front import Connect, problem


@pytest.mark.parametrize("chunked", [False, True])
async def test_large_body(connect: Connect, chunked: bool) -> None:
    """A body over the limit is refused, whether or not it says how long it is."""
    content = json.dumps({"input": "x" * 2000}).encode()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 100):
            yield content[start : start + 100]

    headers = {"content-type": "application/json"}
    async with connect(max_body_bytes=1000) as client:
        response = await client.post(
            "/agents/support/runs", content=pieces() if chunked else content, headers=headers
        )
        assert "APP_MAX_BODY_BYTES" in problem(response, 413, "body-too-large")["detail"]


async def test_body_that_is_announced_as_large(connect: Connect) -> None:
    """A body that says that it is too large is refused without being read."""
    headers = {"content-type": "application/json", "content-length": "1001"}
    async with connect(max_body_bytes=1000) as client:
        response = await client.post("/agents/support/runs", content=b"{}", headers=headers)
        problem(response, 413, "body-too-large")
