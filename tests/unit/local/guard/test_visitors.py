"""Who comes in at the guard's doors, by the head of a request alone."""

import pytest
from multidict import CIMultiDict

from outlast.hosts import Hosts
from outlast_local.guard.visitors import DOORS, Doorkeeper, DoorName, Request

PORTS = (8080, 9070)


def status(
    *headers: tuple[str, str],
    method: str = "POST",
    target: str = "/Thread/a/submit",
    door: DoorName = "ingress",
    hosts: tuple[str, ...] = (),
    origins: tuple[str, ...] = (),
    host: str | None = "localhost:8080",
) -> int:
    """Return what a request is refused with; 200 if it is let in."""
    own = [("Host", host)] if host is not None else []
    keeper = Doorkeeper(door, Hosts(hosts), PORTS, origins)
    refusal = keeper.refuse(Request(method, target, CIMultiDict([*own, *headers])))
    return refusal.status if refusal else 200


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8080", "LOCALHOST.", "127.0.0.1:9070", "127.0.0.1:80", "[::1]:1"],
)
def test_programs_come_in_by_any_name_of_loopback(door: DoorName, host: str):
    assert status(door=door, host=host) == 200


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "0.0.0.0:8080", "10.0.0.1", "localhost.evil.example"],
)
def test_a_rebound_name_is_refused_also_for_what_looks_like_the_same_origin(
    door: DoorName, host: str
):
    assert status(door=door, host=host) == 421
    page = [("Origin", f"http://{host}"), ("Sec-Fetch-Site", "same-origin")]
    assert status(*page, door=door, host=host) == 421


@pytest.mark.parametrize("host", [None, "", "user@localhost", "localhost, evil.example", "::1"])
def test_a_request_that_names_no_host_clearly_is_refused(host: str | None):
    assert status(host=host) == 400


def test_a_request_with_two_hosts_is_refused_whichever_comes_first():
    assert status(("Host", "evil.example")) == 400
    assert status(("Host", "localhost:8080"), host="evil.example") == 400
    assert status(("Host", "localhost:8080")) == 400


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("http://localhost:8080/a", 200),
        ("HTTP://LOCALHOST:8080", 200),
        ("http://evil.example/a", 400),
        ("http://localhost:8080@evil.example/a", 400),
        ("http://evil.example:8080?localhost:8080", 400),
        ("http:///a", 400),
        ("ftp://localhost:8080/a", 400),
        ("*", 400),
        ("evil.example:443", 400),
        ("//evil.example/a", 200),  # a path, and Host says whom it is for
    ],
)
def test_a_whole_url_as_target_names_the_same_host_as_the_header(target: str, expected: int):
    assert status(target=target) == expected


def test_a_rebound_name_in_the_target_is_refused():
    assert status(target="http://evil.example/", host="evil.example") == 421


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "PUT", "DELETE", "PATCH", "HEAD"])
@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "https://evil.example",
        "null",
        "",
        "http://localhost:3000",  # another server of this machine
        "http://localhost",
        "https://localhost:9070",
        "http://evil.example:9070",
        "http://localhost.evil.example:9070",
        "http://localhost:9070.evil.example",
        "http://localhost:9070@evil.example",
        "http://evil.localhost:9070",
        "http://10.0.0.1:9070",
        "file://",
        "chrome-extension://abc",
        "localhost:9070",
    ],
)
def test_a_foreign_page_is_refused_whatever_it_sends(door: DoorName, method: str, origin: str):
    assert status(("Origin", origin), method=method, door=door) == 403
    assert status(("Origin", origin), ("Sec-Fetch-Site", "same-origin"), method=method) == 403


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:9070",
        "http://127.0.0.1:9070",
        "http://[::1]:9070",
        "http://localhost:8080",
    ],
)
@pytest.mark.parametrize("site", ["same-origin", "same-site", "cross-site"])
def test_the_ui_at_one_door_calls_the_other_by_whichever_name(origin: str, site: str):
    assert status(("Origin", origin), ("Sec-Fetch-Site", site), method="OPTIONS") == 200
    assert status(("Origin", origin), ("Sec-Fetch-Site", site), host="127.0.0.1:8080") == 200


def test_the_ui_works_behind_a_forwarded_port():
    forwarded = ("Origin", "http://localhost:19070")
    assert status(forwarded, host="localhost:19070", door="admin") == 200
    assert status(forwarded, host="localhost:18080") == 403


def test_of_two_origins_both_count():
    assert status(("Origin", "http://localhost:9070"), ("Origin", "http://evil.example")) == 403


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "anything"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_what_a_foreign_page_loads_without_saying_which_it_is_is_refused(
    door: DoorName, site: str, method: str
):
    # An image, a script, a form in a frame: no Origin.
    assert status(("Sec-Fetch-Site", site), method=method, door=door) == 403


@pytest.mark.parametrize("site", ["none", "same-origin"])
def test_what_is_typed_and_what_the_ui_loads_comes_in(site: str):
    assert status(("Sec-Fetch-Site", site), method="GET", door="admin", target="/ui/") == 200


@pytest.mark.parametrize("target", ["/", "/ui", "/ui/", "/ui/invocations/inv_1?a=b"])
def test_a_link_on_another_page_leads_to_the_ui_and_to_nothing_else(target: str):
    link = [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-Fetch-Dest", "document"),
    ]
    assert status(*link, method="GET", door="admin", target=target) == 200
    assert status(*link, method="GET", door="ingress", target=target) == 403
    assert status(*link, method="POST", door="admin", target=target) == 403
    assert status(*link[:2], ("Sec-Fetch-Dest", "iframe"), method="GET", door="admin") == 403
    assert status(*link[:1], method="GET", door="admin", target=target) == 403
    for elsewhere in ("/deployments", "/uix", "/query?/ui/", "//ui/"):
        assert status(*link, method="GET", door="admin", target=elsewhere) == 403


def test_names_and_pages_come_in_that_the_settings_list():
    named = {"host": "devbox.example:8080", "hosts": ("devbox.example",)}
    assert status(**named) == 200
    assert status(("Origin", "http://devbox.example:9070"), **named) == 200
    assert status(("Origin", "http://devbox.example:3000"), **named) == 403
    assert status(("Origin", "https://Ops.example"), origins=("https://ops.example",)) == 200
    assert status(("Origin", "https://ops.example"), origins=()) == 403


def test_a_refusal_says_what_to_do():
    keeper = Doorkeeper("ingress", Hosts(), PORTS, ())
    host = keeper.refuse(Request("GET", "/", CIMultiDict({"Host": "evil.example"})))
    assert host is not None
    assert "GUARD_PUBLIC_HOSTS" in host.detail
    headers = CIMultiDict({"Host": "localhost", "Origin": "http://evil.example"})
    page = keeper.refuse(Request("GET", "/", headers))
    assert page is not None
    assert "http://evil.example" in page.detail
    assert "GUARD_CORS_ORIGINS" in page.detail


def test_a_refusal_repeats_little_of_what_it_was_sent():
    keeper = Doorkeeper("ingress", Hosts(), PORTS, ())
    headers = CIMultiDict({"Host": "localhost", "Origin": "http://" + "e" * 50_000})
    page = keeper.refuse(Request("GET", "/", headers))
    assert page is not None
    assert len(page.detail) < 700
