"""Web pages that call the app."""

import pytest

from fakes.front import Connect


async def test_pages_of_a_known_origin(connect: Connect):
    """A page of an origin in APP_CORS_ORIGINS may call, with a key, and read where its run is."""
    asked = {
        "Origin": "https://example.org",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, idempotency-key, last-event-id, "
        "traceparent, tracestate",
    }
    async with connect(cors_origins=["https://example.org"]) as client:
        allowed = await client.options("/agents/support/runs", headers=asked)
        answer = await client.get("/agents", headers={"Origin": "https://example.org"})
    assert allowed.status_code == 200, allowed.text
    assert allowed.headers["access-control-allow-origin"] == "https://example.org"
    assert "Location" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize("origins", [[], ["https://example.org"]])
async def test_pages_of_other_origins(connect: Connect, origins: list[str]):
    """By default no page may call, and never one of another origin."""
    async with connect(cors_origins=origins) as client:
        answer = await client.get("/agents", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers
