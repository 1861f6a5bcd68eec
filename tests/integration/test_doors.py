"""What a web page in a developer's browser can do to a local stack: nothing.

The page's requests are played as browsers send them, at all four doors: Restate's ingress and
admin API behind their guard, the worker, and its live events.
"""

import stat
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx
import psutil
import pytest

from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.orders import order
from fakes.script import text
from fakes.stack import TestStack
from outlast.names import new_run_id
from outlast_worker.engine.records import JOURNAL_VERSION

EVIL = "http://evil.example"
KEY = "default%2Ftester.aaaaaaaaaaaaaaaaaaaaaaaaaa"
PATHS: Mapping[str, str] = {
    "ingress": "/Thread/default%2Ft/status",
    "admin": "/query",
    "worker": f"/v{JOURNAL_VERSION}/invoke/tester/run",
    "streams": f"/streams/{KEY}",
}
FROM_EVIL = {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}
PAGES: Mapping[str, tuple[str, Mapping[str, str], int]] = {
    "a form or a simple fetch": ("POST", {**FROM_EVIL, "Content-Type": "text/plain"}, 403),
    "a preflight": (
        "OPTIONS",
        {
            **FROM_EVIL,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
        },
        403,
    ),
    "a fetch after a preflight": ("POST", {**FROM_EVIL, "Content-Type": "application/json"}, 403),
    "a fetch that reads": ("GET", FROM_EVIL, 403),
    "a sandboxed frame": ("POST", {"Origin": "null", "Sec-Fetch-Site": "cross-site"}, 403),
    "an image or a script": (
        "GET",
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
        403,
    ),
    "a window": (
        "GET",
        {
            "Sec-Fetch-Site": "cross-site",
            "Sec-Fetch-Mode": "navigate",
            "Sec-Fetch-Dest": "document",
            "Sec-Fetch-User": "?1",
        },
        403,
    ),
    "another server's page": (
        "POST",
        {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"},
        403,
    ),
    "another server's image": ("GET", {"Sec-Fetch-Site": "same-site"}, 403),
    "a rebound name": ("GET", {"Host": "evil.example", "Sec-Fetch-Site": "same-origin"}, 421),
    "a rebound name's fetch": ("POST", {"Host": "evil.example", "Content-Type": "text/plain"}, 421),
}


def url_of(stack: TestStack, door: str) -> str:
    bases = {"ingress": stack.ingress_url, "admin": stack.admin_url}
    return bases.get(door, f"http://127.0.0.1:{stack.ports.worker}")


def ask(url: str, method: str, headers: Mapping[str, str], **body: Any) -> httpx.Response:
    return httpx.request(method, url, headers=dict(headers), trust_env=False, **body)


@pytest.mark.parametrize("door", PATHS)
@pytest.mark.parametrize("page", PAGES)
def test_no_page_comes_in(stack: TestStack, door: str, page: str) -> None:
    """What a page sends is refused, and the browser is told nothing that lets the page read it."""
    method, headers, status = PAGES[page]
    answer = ask(url_of(stack, door) + PATHS[door], method, headers)
    assert answer.status_code == status, answer.text
    assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_a_page_starts_no_run_where_a_program_does(
    stack: TestStack, api: Api, model: ScriptedModel, key: str
) -> None:
    """The request that starts a run, as Restate takes it, starts none when a page sends it."""
    model.script(key, [text("done")])
    run_id = new_run_id("tester")
    body = order(
        run_id=run_id, agent="tester", input=[{"role": "user", "content": key}]
    ).model_dump_json(exclude_none=True)
    path = f"/restate/send/tester/{quote(f'default/{run_id}', safe='')}/run"

    def send(headers: Mapping[str, str]) -> int:
        given = {"Content-Type": "application/json", **headers}
        return ask(stack.ingress_url + path, "POST", given, content=body).status_code

    for headers in (
        FROM_EVIL,
        {"Origin": "http://localhost:3000"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        assert send(headers) == 403
    assert send({"Host": "evil.example"}) == 421
    assert api.http.get(f"/runs/{run_id}").status_code == 404
    assert send({}) in (200, 202)
    assert api.result(run_id)["output"] == "done"


def test_only_restate_and_the_app_are_served_by_the_worker(stack: TestStack) -> None:
    """A program of this machine, too, has to sign or to know the secret."""
    worker = url_of(stack, "worker")
    assert ask(f"{worker}/v{JOURNAL_VERSION}/discover", "GET", {}).status_code == 401
    assert ask(worker + PATHS["worker"], "POST", {}).status_code == 401
    assert ask(worker + PATHS["streams"], "GET", {}).status_code == 401
    assert ask(f"{worker}/healthz", "GET", {"Host": "evil.example"}).status_code == 200


def test_restate_listens_where_no_browser_can_go(stack: TestStack) -> None:
    """Restate has no port, and only this user comes to its sockets."""
    restate = psutil.Process(stack.restate.pid)
    listening = [c for c in restate.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert not listening
    assert stat.S_IMODE(stack.sockets.folder.stat().st_mode) == 0o700
    guard = psutil.Process(stack.guard.pid)
    ports = {c.laddr for c in guard.net_connections("inet") if c.status == psutil.CONN_LISTEN}
    assert ports == {("127.0.0.1", stack.ports.ingress), ("127.0.0.1", stack.ports.admin)}


def test_operators_have_their_ports(stack: TestStack) -> None:
    """Programs come in as they always did."""
    deployments = ask(f"{stack.admin_url}/deployments", "GET", {}).json()["deployments"]
    assert [d["uri"].rstrip("/") for d in deployments] == [
        f"http://127.0.0.1:{stack.ports.worker}/v{JOURNAL_VERSION}"
    ]
    assert stack.query("SELECT 1 AS one") == [{"one": 1}]
    assert ask(stack.ingress_url + PATHS["ingress"], "GET", {}).status_code == 200


def test_the_ui_works_as_its_browser_sends_it(stack: TestStack) -> None:
    """Restate's UI loads, reads and writes at its own port, and calls the ingress at the other."""
    typed = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    linked = {**typed, "Sec-Fetch-Site": "cross-site"}
    for headers in (typed, linked):
        page = ask(f"{stack.admin_url}/ui/", "GET", headers)
        assert page.status_code == 200
        assert "<title>Restate</title>" in page.text
    script = page.text.partition('<script src="')[2].partition('"')[0]
    own = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
    assert ask(stack.admin_url + script, "GET", own).status_code == 200
    version = ask(f"{stack.admin_url}/version", "GET", own).json()
    assert version["ingress_endpoint"].rstrip("/") == stack.ingress_url
    query = {**own, "Origin": stack.admin_url, "Accept": "application/json"}
    rows = ask(f"{stack.admin_url}/query", "POST", query, json={"query": "SELECT 1 AS one"})
    assert rows.json()["rows"] == [{"one": 1}]

    # By the name localhost, the ingress is of another site.
    origin = f"http://localhost:{stack.ports.admin}"
    cross = {"Origin": origin, "Sec-Fetch-Site": "cross-site"}
    preflight = {
        **cross,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    for method, headers in (("OPTIONS", preflight), ("GET", cross)):
        answer = ask(stack.ingress_url + PATHS["ingress"], method, headers)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == origin
