"""Who may call the worker."""

from pathlib import Path
from typing import Any

import pytest

from outlast_worker.settings import WorkerSettings
from outlast_worker.visitors import Visitors

PATHS = ["/v4/discover", "/v4/invoke/Thread/submit", "/streams/default/run", "/"]
KEY = "publickeyv1_2G8dCQhArfvGpzPw5Vx2ALciR4xCLHfS5YaT93XjNxX9"


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # away from any `.env`
    for name in ("WORKER_URL", "WORKER_IDENTITY_KEYS", "STREAM_SECRET"):
        monkeypatch.delenv(name, raising=False)


def status(path: str, **headers: str) -> int:
    """Return what a request is refused with; 200 if it is let in."""
    names = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    scope: dict[str, Any] = {"path": path, "headers": list(names.items())}
    refusal = Visitors(WorkerSettings()).refuse(scope)
    return refusal[0] if refusal else 200


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("host", ["localhost:9081", "127.0.0.1:9081", "[::1]:9081"])
def test_programs_come_in_by_names_of_loopback(path: str, host: str):
    assert status(path, host=host) == 200


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("host", ["evil.example", "evil.example:9081", "10.0.0.1:9081", "", "::1"])
def test_a_rebound_name_is_refused(path: str, host: str):
    assert status(path, host=host) == 421
    assert status(path) == 421


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "page",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:9070"},  # Restate's UI does not call the worker either
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
)
def test_a_page_is_refused(path: str, page: dict[str, str]):
    assert status(path, host="localhost:9081", **page) == 403


def test_who_types_the_address_is_no_page():
    assert status("/v4/discover", host="localhost:9081", sec_fetch_site="none") == 200


@pytest.mark.parametrize("path", PATHS)
def test_the_worker_answers_to_its_own_url(monkeypatch: pytest.MonkeyPatch, path: str):
    monkeypatch.setenv("WORKER_URL", "http://Worker:9081")
    assert status(path, host="worker:9081") == 200
    assert status(path, host="worker2:9081") == 421


def test_a_signed_request_comes_in_by_any_name_where_signatures_are_checked(
    monkeypatch: pytest.MonkeyPatch,
):
    signed = {"host": "worker-7d4f.outlast.svc.cluster.local:9081", "x_restate_jwt_v1": "…"}
    assert status("/v4/discover", **signed) == 421
    monkeypatch.setenv("WORKER_IDENTITY_KEYS", f'["{KEY}"]')
    assert status("/v4/discover", **signed) == 200
    assert status("/v4/discover", host=signed["host"]) == 421
    assert status("/streams/default/run", **signed) == 421


def test_the_secret_of_the_streams_comes_in_by_any_name_where_it_is_checked(
    monkeypatch: pytest.MonkeyPatch,
):
    with_secret = {"host": "worker-internal:9081", "authorization": "Bearer …"}
    assert status("/streams/default/run", **with_secret) == 421
    monkeypatch.setenv("STREAM_SECRET", "secret")
    assert status("/streams/default/run", **with_secret) == 200
    assert status("/streams/default/run", host=with_secret["host"]) == 421
    assert status("/v4/discover", **with_secret) == 421
