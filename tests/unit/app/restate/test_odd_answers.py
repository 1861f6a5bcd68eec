"""What answers is not Restate."""

import pytest

from fakes.front import RUN_ID, Connect, problem, saying, spoken


@pytest.mark.parametrize("body", [b"<html>", b'{"a": 1}'])
async def test_ingress_that_says_something_else(connect: Connect, body: bytes) -> None:
    """That is a 502; a start's names the run, which may have been accepted."""
    with saying(spoken(200, body)) as ingress:
        async with connect(ingress=ingress) as client:
            for path in (f"/runs/{RUN_ID}", f"/runs/{RUN_ID}/result", "/threads/t"):
                problem(await client.get(path), 502, "restate-unexpected")
            for more in ({}, {"thread_id": "t"}):
                answer = await client.post("/agents/support/runs", json={"input": "Hi.", **more})
                run_id = problem(answer, 502, "restate-unexpected")["run_id"]
                assert answer.headers["location"] == f"/runs/{run_id}"


async def test_ingress_that_speaks_no_http(connect: Connect) -> None:
    """That is as good as no answer."""
    with saying(b"garbage\r\n\r\n") as ingress:
        async with connect(ingress=ingress) as client:
            problem(await client.get(f"/runs/{RUN_ID}"), 503, "restate-unavailable")
            problem(await client.get("/readyz"), 503, "restate-unavailable")
            headers = {"Prefer": "wait=1"}
            answer = await client.post(
                "/agents/support/runs", json={"input": "Hi."}, headers=headers
            )
            assert problem(answer, 503, "restate-unavailable")["run_id"]


@pytest.mark.parametrize(("status", "body"), [(200, b"<html>"), (200, b"{}"), (403, b"no")])
async def test_admin_that_says_something_else(connect: Connect, status: int, body: bytes) -> None:
    """Listings need it and say so; the app is ready all the same."""
    with saying(spoken(status, body)) as admin, saying(spoken(200, b"{}")) as ingress:
        async with connect(admin=admin, ingress=ingress) as client:
            for path in ("/runs", "/threads", "/approvals", "/calls"):
                problem(await client.get(path), 503, "admin-unavailable")
            if body != b"{}":
                assert (await client.get("/readyz")).status_code == 200
