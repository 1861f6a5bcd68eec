"""Without keys, a web page that somebody looks at can neither read nor change anything."""

from collections.abc import Sequence

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from outlast.hosts import Hosts
from outlast_app.no_store import NoStore
from outlast_app.page_guard import PageGuard

PAGE = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}


async def answer(_: Request) -> Response:
    return JSONResponse({})


def client(*, hosts: Sequence[str] = (), origins: Sequence[str] = ()) -> TestClient:
    methods = ["GET", "POST", "DELETE"]
    app = Starlette(routes=[Route("/{path:path}", answer, methods=methods)])
    guarded = NoStore(PageGuard(app, Hosts(hosts), origins))
    return TestClient(guarded, base_url="http://127.0.0.1:8070")


@pytest.mark.parametrize(
    "host",
    ["localhost:8070", "LOCALHOST", "localhost.:1", "127.0.0.1:8070", "127.9.9.9", "[::1]:8070"],
)
def test_own_names(host: str) -> None:
    """Loopback goes by many names."""
    assert client().get("/runs", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8070",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "user@localhost",
        "localhost:8070@evil.example",
        "",
        "10.0.0.7",
        "localhost, evil.example",
    ],
)
def test_foreign_names(host: str) -> None:
    """A page whose name leads here (DNS rebinding) is told nothing, whatever it asks for."""
    for method in ("GET", "POST", "DELETE", "OPTIONS"):
        refused = client().request(method, "/runs", headers={"Host": host})
        assert refused.status_code == 421
        assert refused.json()["type"] == "foreign-host"
        assert "APP_PUBLIC_HOSTS" in refused.json()["detail"]


def test_two_names() -> None:
    """Whoever names two hosts is let in by neither."""
    headers = [("Host", "localhost"), ("Host", "evil.example")]
    assert client().get("/runs", headers=headers).status_code == 421


def test_names_that_were_set() -> None:
    """The operator's names are the app's own."""
    allowed = client(hosts=["agents.example", "10.0.0.7"])
    for host in ("agents.example", "AGENTS.example.:80", "10.0.0.7:8070", "localhost"):
        assert allowed.get("/runs", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes(path: str) -> None:
    """A load balancer asks by any address."""
    assert client().get(path, headers={"Host": "10.1.2.3"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        PAGE,
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "https://127.0.0.1:8071"},
        {"Origin": "file://"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_foreign_pages(headers: dict[str, str]) -> None:
    """A page of another origin starts, decides and deletes nothing."""
    for method in ("POST", "DELETE"):
        refused = client().request(method, "/runs/x/cancel", headers=headers)
        assert refused.status_code == 403
        assert refused.json()["type"] == "foreign-page"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://127.0.0.1:8070", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_programs_and_own_pages(headers: dict[str, str]) -> None:
    """Curl sends nothing of the kind; `/docs` is a page of the app's own."""
    assert client().post("/runs", headers=headers).status_code == 200


def test_pages_that_were_let_in() -> None:
    """APP_CORS_ORIGINS are not foreign."""
    page = {"Origin": "https://desk.example", "Sec-Fetch-Site": "cross-site"}
    assert client(origins=["https://desk.example"]).post("/runs", headers=page).status_code == 200
    assert client(origins=["*"]).post("/runs", headers=page).status_code == 200
    assert client(origins=["https://other.example"]).post("/runs", headers=page).status_code == 403


def test_answers_are_not_kept() -> None:
    """No cache keeps what one caller was told, problems included."""
    for headers in ({}, {"Host": "evil.example"}):
        assert client().get("/runs", headers=headers).headers["cache-control"] == "no-store"
