"""The HTTP front without anything behind it: what it refuses itself, and how it says so."""

import json
import socket
import socketserver
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from outlast import Agent
from outlast.errors import Problem, problem_types
from outlast.registry import Registry
from outlast_app.main import create_app
from outlast_app.settings import AppSettings

RUN_ID = "support.aaaaaaaaaaaaaaaaaaaaaaaaaa"
QUICK_S = 5
Client = httpx.AsyncClient
Connect = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def nobody() -> Iterator[str]:
    """Return the address of a server that refuses connections."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@pytest.fixture
def silent() -> Iterator[str]:
    """Return the address of a server that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def saying(answer: bytes) -> Iterator[str]:
    """Serve these bytes to everybody; return the address."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            self.request.sendall(answer)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False  # a client may keep a connection and send nothing

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def spoken(status: int, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status} Odd\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


@pytest.fixture
def connect(nobody: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Connect:
    @asynccontextmanager
    async def connect(
        admin: str = nobody, ingress: str = nobody, **changes: Any
    ) -> AsyncIterator[Client]:
        monkeypatch.chdir(tmp_path)  # away from any `.env`
        # These have aliases, so that only the environment can set them.
        monkeypatch.setenv("RESTATE_INGRESS_URL", ingress)
        monkeypatch.setenv("RESTATE_ADMIN_URL", admin)
        settings = AppSettings(**changes)
        agents = [
            Agent(name="support", instructions="Help."),
            Agent(name="filled", instructions="Help {{company}} in {{city}}."),
        ]
        app = create_app(settings, Registry(agents, "openai/x"))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            Client(transport=transport, base_url="http://app") as client,
        ):
            yield client

    return connect


@pytest.fixture
async def client(connect: Connect) -> AsyncIterator[Client]:
    async with connect() as client:
        yield client


def problem(response: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """Check that an answer is a problem document of this type, and return it."""
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert (response.status_code, document["status"], document["type"]) == (status, status, slug)
    assert document["title"]
    assert document["detail"]
    return document


# What needs nobody else.


async def test_health(client: Client) -> None:
    """The process is up, whatever else is down."""
    response = await client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_agents(client: Client) -> None:
    """Agents are listed and described without Restate."""
    listed = (await client.get("/agents")).json()
    assert [item["name"] for item in listed["items"]] == ["support", "filled"]
    assert listed["next_cursor"] is None
    assert (await client.get("/agents/filled")).json() == listed["items"][1]
    assert listed["items"][1]["context"] == ["company", "city"]


async def test_openapi_document(client: Client) -> None:
    """All problems are in one table; each call has its own, with the type they are sent with."""
    document = (await client.get("/openapi.json")).json()
    for kind in problem_types():
        assert f"| `{kind.slug}` | {kind.status} |" in document["info"]["description"]
    for path, methods in document["paths"].items():
        for operation in methods.values():
            answers: dict[str, Any] = operation["responses"]
            assert ("401" in answers) == (path not in ("/healthz", "/readyz"))
            for status, answer in answers.items():
                if int(status) >= 400:
                    [(media_type, content)] = answer["content"].items()
                    assert media_type == "application/problem+json"
                    assert content["schema"]["$ref"].endswith("/ProblemDocument")
                    assert ("Retry-After" in answer.get("headers", {})) == (status == "503")


async def test_openapi_document_of_streams(client: Client) -> None:
    """Streams are described with their events, and where they go on."""
    document = (await client.get("/openapi.json")).json()
    events = document["paths"]["/runs/{run_id}/events"]["get"]["responses"]
    start = document["paths"]["/agents/{agent}/runs"]["post"]["responses"]
    assert list(events["200"]["content"]) == ["text/event-stream"]
    assert "204" in events
    assert set(start["200"]["content"]) == {"application/json", "text/event-stream"}
    assert set(start["200"]["headers"]) == {"Location", "Content-Location", "Preference-Applied"}
    for answer in (events["200"], start["200"]):
        reference = answer["content"]["text/event-stream"]["schema"]["$ref"]
        schema = document["components"]["schemas"][reference.rpartition("/")[2]]
        assert "MessageDelta" in str(schema)
        assert "RunCompleted" in str(schema)


async def test_pages_of_agents(client: Client) -> None:
    """Agents are listed in pages, as everything is."""
    first = (await client.get("/agents", params={"limit": 1})).json()
    assert [item["name"] for item in first["items"]] == ["support"]
    rest = (await client.get("/agents", params={"cursor": first["next_cursor"]})).json()
    assert ([item["name"] for item in rest["items"]], rest["next_cursor"]) == (["filled"], None)
    for wrong in ({"limit": 0}, {"cursor": "x"}):
        problem(await client.get("/agents", params=wrong), 422, "invalid-request")


async def test_no_redirects(client: Client) -> None:
    """An address with a slash too many is none: a redirect would go where the caller says."""
    problem(await client.get("/runs/"), 404, "not-found")


def test_problem_types() -> None:
    """Each problem has a name of its own, and a status that fits who must act."""
    kinds = problem_types()
    assert len({kind.slug for kind in kinds}) == len(kinds)
    for kind in kinds:
        caller = "CallerProblem" in [base.__name__ for base in kind.__mro__]
        assert kind.status in (range(400, 500) if caller else range(500, 600))
        assert issubclass(kind, Problem)
        assert kind.slug == kind.slug.lower()


# What is refused.


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_unknown_agent(client: Client, method: str) -> None:
    """An agent that is not there is a 404 that names those that are."""
    path = "/agents/nobody" if method == "GET" else "/agents/nobody/runs"
    response = await client.request(method, path, json={"input": "Hi."})
    assert "support, filled" in problem(response, 404, "unknown-agent")["detail"]


async def test_unknown_address(client: Client) -> None:
    """An address that is not there is a problem document too."""
    problem(await client.get("/nothing/here"), 404, "not-found")


async def test_wrong_method(client: Client) -> None:
    """A method that does not fit says which ones do."""
    response = await client.delete("/agents")
    problem(response, 405, "method-not-allowed")
    assert response.headers["allow"] == "GET"


@pytest.mark.parametrize(
    "run_id",
    [
        "nonsense",
        "support.short",
        "Support.aaaaaaaaaaaaaaaaaaaaaaaaaa",
        "a'b.aaaaaaaaaaaaaaaaaaaaaaaaaa",
    ],
)
@pytest.mark.parametrize(
    "call", ["GET ", "GET /result", "GET /events", "POST /cancel", "POST /resume"]
)
async def test_what_is_no_run_id(client: Client, run_id: str, call: str) -> None:
    """What can't be a run is unknown without asking Restate."""
    method, _, rest = call.partition(" ")
    response = await client.request(method, f"/runs/{run_id}{rest}")
    assert run_id in problem(response, 404, "unknown-run")["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body.input"),
        ({"input": "Hi.", "inptu": 1}, "body.inptu"),
        ({"input": "Hi.", "limits": {"max_turns": 0}}, "body.limits.max_turns"),
        ({"input": "Hi.", "thread_id": "a/b"}, "body.thread_id"),
        ({"input": "Hi.", "on_busy": "enqueue"}, "body.on_busy"),
        ({"input": [{"role": "system", "content": "x"}]}, "body.input.0.role"),
        ({"input": [{"role": "user"}]}, "body.input.0.content"),
        ({"input": [{"role": "user", "content": [{"type": "x"}]}]}, "body.input.0.content.0"),
        ({"input": None}, "body.input"),
    ],
)
async def test_invalid_body(client: Client, body: dict[str, Any], field: str) -> None:
    """A body that does not fit is a 422 that names the field, and says what is wrong with it."""
    document = problem(await client.post("/agents/support/runs", json=body), 422, "invalid-request")
    assert field in [fault["field"] for fault in document["errors"]]
    assert all(fault["message"] for fault in document["errors"])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"\xff",
        b'{"input": "\\ud800"}',
        b'{"input": "Hi.", "context": {"a": "\\ud800"}}',
        b'{"input": "Hi.", "context": {"\\ud800": 1}}',
        b'{"input": "Hi.", "context": {"a": NaN}}',
        b'{"input": "Hi.", "context": {"a": ' + b"[" * 5000 + b"]" * 5000 + b"}}",
        b'{"input": "Hi.", "\\ud800": 1}',
        b'{"input": "Hi.", "context": {"a": ' + b"[" * 400 + b"]" * 400 + b"}}",
        b'{"input": "Hi.", "context": {"a": ' + b"[" * 200 + b"]" * 200 + b"}}",
        b'{"input": "Hi.", "context": {"a": ' + b"[" * 185 + b"]" * 185 + b"}}",
    ],
    ids=range(14),
)
async def test_odd_body(client: Client, content: bytes) -> None:
    """A body that is no JSON, or none that can be kept, is the caller's fault."""
    headers = {"content-type": "application/json"}
    response = await client.post("/agents/support/runs", content=content, headers=headers)
    assert problem(response, 422, "invalid-request")["errors"]


@pytest.mark.parametrize(
    "headers",
    [{}, *({"content-type": kind} for kind in ("text/plain", "application/x-www-form-urlencoded"))],
    ids=str,
)
async def test_body_that_is_not_called_json(client: Client, headers: dict[str, str]) -> None:
    """A web page can send such a body without asking: it is refused, with what is missing."""
    content = b'{"input": "Hi."}'
    response = await client.post("/agents/support/runs", content=content, headers=headers)
    document = problem(response, 422, "invalid-request")
    assert "content-type: application/json" in document["detail"]
    assert [fault["field"] for fault in document["errors"]] == ["header.content-type"]


@pytest.mark.parametrize(
    ("content", "character"), [("{", 2), ('{"input": "ä", }', 16), ("nothing", 1)]
)
async def test_broken_json(client: Client, content: str, character: int) -> None:
    """The place of the fault is told in characters, and is no field."""
    headers = {"content-type": "application/json"}
    response = await client.post("/agents/support/runs", content=content, headers=headers)
    document = problem(response, 422, "invalid-request")
    assert f"not valid JSON at character {character}: " in document["detail"]
    assert [fault["field"] for fault in document["errors"]] == ["body"]


@pytest.mark.parametrize(
    ("said", "detail"),
    [
        ([], "at least 1 item"),
        ([{"role": "user", "content": [{"type": "text"}]}], "text: Field required"),
        ([{"role": "system", "content": "x"}], "role: "),
    ],
)
async def test_first_fault(client: Client, said: list[Any], detail: str) -> None:
    """The detail tells the real fault, not that the input is none of the other types."""
    response = await client.post("/agents/support/runs", json={"input": said})
    document = problem(response, 422, "invalid-request")
    assert detail in document["detail"]
    assert len(document["errors"]) >= 2


@pytest.mark.parametrize(
    "said",
    [
        "",
        " \n",
        [{"role": "user", "content": ""}],
        [{"role": "user", "content": []}],
        [{"role": "user", "content": [{"type": "text", "text": " "}]}],
        [{"role": "assistant", "content": ""}, {"role": "user", "content": "Hi."}],
    ],
)
async def test_input_that_says_nothing(client: Client, said: Any) -> None:
    """No model is called with nothing."""
    response = await client.post("/agents/support/runs", json={"input": said})
    document = problem(response, 422, "invalid-request")
    assert [fault["field"] for fault in document["errors"]] == ["body.input"]


@pytest.mark.parametrize(
    ("kind", "url"),
    [("image", "nonsense"), ("image", "data:text/plain,x"), ("file", "https://x/y.pdf")],
)
async def test_parts_that_no_provider_takes(client: Client, kind: str, url: str) -> None:
    """An address that can't work is refused here, not by the provider much later."""
    body = {"input": [{"role": "user", "content": [{"type": kind, "url": url}]}]}
    document = problem(await client.post("/agents/support/runs", json=body), 422, "invalid-request")
    assert f"{kind}'s url begins with" in document["detail"]


async def test_input_of_a_file_alone(client: Client) -> None:
    """An image says something, also beside an empty text."""
    parts = [{"type": "text", "text": ""}, {"type": "image", "url": "https://x/y.png"}]
    body = {"input": [{"role": "user", "content": parts}]}
    problem(await client.post("/agents/support/runs", json=body), 503, "restate-unavailable")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (f"/runs/{RUN_ID}/events?after=-1", "query.after"),
        (f"/runs/{RUN_ID}/events?after=x", "query.after"),
        ("/threads/t/messages?limit=0", "query.limit"),
        ("/threads/t/messages?limit=101", "query.limit"),
        ("/threads/a%20b", "path.thread_id"),
        ("/runs?agent=A%27b", "query.agent"),
        ("/runs?thread_id=a%27b", "query.thread_id"),
        ("/runs?thread_id=", "query.thread_id"),
        ("/runs?status=ended", "query.status"),
        ("/runs?limit=0", "query.limit"),
        ("/runs?limit=101", "query.limit"),
        ("/threads?limit=x", "query.limit"),
        ("/approvals?limit=-1", "query.limit"),
    ],
)
async def test_invalid_parameter(client: Client, path: str, field: str) -> None:
    """A parameter that does not fit is named."""
    document = problem(await client.get(path), 422, "invalid-request")
    assert [fault["field"] for fault in document["errors"]] == [field]


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "²", "", "9" * 30, "9" * 5000])
@pytest.mark.parametrize("path", ["/threads/t/messages", "/runs", "/threads", "/approvals"])
async def test_invalid_cursor(client: Client, cursor: str, path: str) -> None:
    """A cursor is what the page before gave, and nothing else."""
    response = await client.get(path, params={"cursor": cursor})
    document = problem(response, 422, "invalid-request")
    assert "next_cursor" in document["detail"]
    assert [fault["field"] for fault in document["errors"]] == ["query.cursor"]


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ({"Prefer": "wait=soon"}, "wait=N"),
        ({"Idempotency-Key": ""}, "idempotency-key"),
        ({"Idempotency-Key": "x" * 257}, "idempotency-key"),
    ],
)
async def test_invalid_header(client: Client, headers: dict[str, str], named: str) -> None:
    """A header that does not fit is named."""
    response = await client.post("/agents/support/runs", json={"input": "Hi."}, headers=headers)
    assert named in problem(response, 422, "invalid-request")["detail"]


@pytest.mark.parametrize("value", ["-1", "x", "1.5"])
async def test_invalid_last_event_id(client: Client, value: str) -> None:
    """A stream goes on after the number of an event."""
    response = await client.get(f"/runs/{RUN_ID}/events", headers={"Last-Event-ID": value})
    assert "last-event-id" in problem(response, 422, "invalid-request")["detail"]


async def test_missing_context(client: Client) -> None:
    """Names that the instructions need and the context lacks are all told at once."""
    body = {"input": "Hi.", "context": {"company": "Acme"}}
    document = problem(await client.post("/agents/filled/runs", json=body), 422, "invalid-request")
    assert [fault["field"] for fault in document["errors"]] == ["body.context.city"]


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


# Keys.


async def test_keys(connect: Connect) -> None:
    """With keys set, every call but health needs one; the tenant's agents are the same."""
    async with connect(keys={"acme": ["secret-1"]}) as client:
        response = await client.get("/agents")
        problem(response, 401, "unauthorized")
        assert response.headers["www-authenticate"] == "Bearer"
        assert "secret-1" not in response.text
        good = {"Authorization": "Bearer secret-1"}
        assert (await client.get("/agents", headers=good)).status_code == 200
        assert (await client.get("/healthz")).status_code == 200


CALLS = [
    ("POST", "/agents/support/runs"),
    ("GET", f"/runs/{RUN_ID}"),
    ("GET", f"/runs/{RUN_ID}/result"),
    ("GET", f"/runs/{RUN_ID}/events"),
    ("POST", f"/runs/{RUN_ID}/cancel"),
    ("POST", f"/runs/{RUN_ID}/resume"),
    ("GET", "/threads/t"),
    ("GET", "/threads/t/messages"),
    ("DELETE", "/threads/t"),
]


LISTINGS = ["/runs", "/threads", "/approvals"]


@pytest.mark.parametrize(("method", "path"), [*CALLS, *(("GET", path) for path in LISTINGS)])
async def test_calls_without_a_key(connect: Connect, method: str, path: str) -> None:
    """No call tells a stranger anything, not even whether its body was valid."""
    async with connect(keys={"acme": ["secret-1"]}) as client:
        for body in ({"input": "Hi."}, {}):
            problem(await client.request(method, path, json=body), 401, "unauthorized")


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 5000, b"x" * 2000])
async def test_bodies_without_a_key(connect: Connect, content: bytes) -> None:
    """A stranger's body is not even read."""
    headers = {"content-type": "application/json"}
    async with connect(keys={"acme": ["secret-1"]}, max_body_bytes=1000) as client:
        response = await client.post("/agents/support/runs", content=content, headers=headers)
        problem(response, 401, "unauthorized")


async def test_every_route_but_health_is_keyed(connect: Connect) -> None:
    """A new route can't forget to ask for the key before it reads the body."""
    async with connect(keys={"acme": ["secret-1"]}) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
        asked = [(path, method) for path, methods in paths.items() for method in methods]
        for path, method in asked:
            response = await client.request(
                method, path, content=b"{", headers={"content-type": "application/json"}
            )
            open_to_all = path in {"/healthz", "/readyz"}
            assert (response.status_code != 401) == open_to_all, (method, path)


# Without Restate.


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_without_restate(client: Client, method: str, path: str) -> None:
    """Without Restate each call is soon a 503 that may be tried again."""
    began = time.monotonic()
    response = await client.request(method, path, json={"input": "Hi."})
    assert time.monotonic() - began < QUICK_S
    document = problem(response, 503, "restate-unavailable")
    assert response.headers["retry-after"] == "1"
    started = path.endswith("/runs")
    assert ("nothing was started" in document["detail"]) == started
    assert ("has accepted goes on" in document["detail"]) != started


@pytest.mark.parametrize("path", LISTINGS)
async def test_listings_without_the_admin_api(client: Client, path: str) -> None:
    """Without the admin API a listing is soon a 503 that may be tried again."""
    response = await client.get(path)
    assert "can't be reached" in problem(response, 503, "admin-unavailable")["detail"]
    assert response.headers["retry-after"] == "1"


@pytest.mark.parametrize("path", LISTINGS)
async def test_listings_that_take_too_long(
    connect: Connect, silent: str, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """A listing that takes too long is given up with a 503 that says so."""
    monkeypatch.setattr("outlast_app.runs.listings._TIMEOUT_S", 0.2)
    async with connect(silent) as client:
        response = await client.get(path)
    assert "within 0.2 s" in problem(response, 503, "admin-unavailable")["detail"]
    assert response.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"thread_id": "t"}, {}),
        ({"thread_id": "t", "after_s": 5}, {}),
        ({}, {"Prefer": "respond-async"}),
        ({}, {"Accept": "text/event-stream"}),
        ({}, {"Idempotency-Key": "k"}),
    ],
    ids=str,
)
async def test_starts_without_restate(
    client: Client, body: dict[str, Any], headers: dict[str, str]
) -> None:
    """However a run is started, nothing is started without Restate, and the answer says so."""
    response = await client.post(
        "/agents/support/runs", json={"input": "Hi.", **body}, headers=headers
    )
    document = problem(response, 503, "restate-unavailable")
    assert "nothing was started" in document["detail"]
    assert "location" not in response.headers


async def test_readiness_without_restate(client: Client, nobody: str) -> None:
    """Readiness names the part that is missing, and where it was looked for."""
    began = time.monotonic()
    response = await client.get("/readyz")
    assert time.monotonic() - began < QUICK_S
    assert nobody in problem(response, 503, "restate-unavailable")["detail"]


async def test_a_bug(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug is a 500 that tells clients nothing of its inside."""

    def fail(*_: object) -> None:
        raise RuntimeError("secret-1")

    monkeypatch.setattr(Registry, "describe", fail)
    with capture_logs() as logs:
        response = await client.get("/agents")
    assert [(entry["event"], entry["path"]) for entry in logs] == [("request_failed", "/agents")]
    problem(response, 500, "internal")
    assert "secret-1" not in response.text


# Web pages that call the app.


async def test_pages_of_a_known_origin(connect: Connect):
    """A page of an origin in APP_CORS_ORIGINS may call, with a key, and read where its run is."""
    asked = {
        "Origin": "https://example.org",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, idempotency-key, last-event-id",
    }
    async with connect(cors_origins=["https://example.org"]) as client:
        allowed = await client.options("/agents/support/runs", headers=asked)
        answer = await client.get("/agents", headers={"Origin": "https://example.org"})
    assert allowed.headers["access-control-allow-origin"] == "https://example.org"
    assert "Location" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize("origins", [[], ["https://example.org"]])
async def test_pages_of_other_origins(connect: Connect, origins: list[str]):
    """By default no page may call, and never one of another origin."""
    async with connect(cors_origins=origins) as client:
        answer = await client.get("/agents", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers


# What answers is not Restate.


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
            for path in ("/runs", "/threads", "/approvals"):
                problem(await client.get(path), 503, "admin-unavailable")
            if body != b"{}":
                assert (await client.get("/readyz")).status_code == 200


async def test_admin_that_knows_no_service(connect: Connect) -> None:
    """The app is not ready when the admin API says that the worker is not registered."""
    with saying(spoken(404, b"{}")) as admin, saying(spoken(200, b"{}")) as ingress:
        async with connect(admin=admin, ingress=ingress) as client:
            problem(await client.get("/readyz"), 503, "not-registered")
