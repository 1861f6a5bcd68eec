"""Other protocols beside the native interface: each by itself, and switched on and off."""

import pytest
from pydantic import ValidationError

from fakes.front import Connect, problem
from outlast_app.access_log import route_of
from outlast_app.facades.mounting import FACADES
from outlast_app.facades.openai.keys import OpenAiRoute
from outlast_app.keyring import hash_of_key
from outlast_app.settings import AppSettings


def test_by_default() -> None:
    """The app speaks all that there are."""
    default = AppSettings.model_fields["protocols"].default
    assert default == list(FACADES)


async def test_a_protocol_of_its_own(connect: Connect) -> None:
    """It has its own errors and its own page; the native interface stays as it is."""
    async with connect() as client:
        models = await client.get("/v1/models")
        nowhere = await client.get("/v1/nowhere")
        wrong = await client.post("/v1/models")
        page = await client.get("/v1/openapi.json")
        native = await client.get("/openapi.json")
        problem(await client.get("/nowhere"), 404, "not-found")
        assert (await client.get("/v1/docs")).status_code == 200
    assert [model["id"] for model in models.json()["data"]] == ["support", "filled"]
    assert (nowhere.status_code, nowhere.json()["error"]["code"]) == (404, "not_found")
    assert "/v1/docs" in nowhere.json()["error"]["message"]
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "GET, OPTIONS"
    assert "/models" in page.json()["paths"]
    assert not any(path.startswith("/v1") for path in native.json()["paths"])


async def test_switched_off(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """What APP_PROTOCOLS lacks is not there."""
    monkeypatch.setenv("APP_PROTOCOLS", "none")
    async with connect() as client:
        problem(await client.get("/v1/models"), 404, "not-found")
    with pytest.raises(ValidationError):
        AppSettings(protocols=["telnet"])  # pyright: ignore[reportArgumentType]


async def test_under_a_prefix(connect: Connect) -> None:
    """A proxy's prefix is before that of the protocol."""
    async with connect(root_path="/outlast") as client:
        assert (await client.get("/outlast/v1/models")).status_code == 200
        nowhere = await client.get("/outlast/v1/nowhere")
    assert "See /v1/docs" in nowhere.json()["error"]["message"]


async def test_keys(connect: Connect) -> None:
    """Without a key, or with a wrong one, nothing is said; nor to a key that may not."""
    rights = ["invoke"]
    key = {"name": "desk", "sha256": hash_of_key("secret-1"), "rights": rights}
    async with connect(keys={"acme": [key]}) as client:
        without = await client.get("/v1/models")
        mine = await client.get("/v1/models", headers={"Authorization": "Bearer secret-1"})
    assert (without.status_code, without.json()["error"]["code"]) == (401, "invalid_api_key")
    assert without.headers["www-authenticate"] == "Bearer"
    assert (mine.status_code, mine.json()["error"]["code"]) == (403, "missing_right")


async def test_every_call_has_a_right(connect: Connect) -> None:
    """The table has every call of the sub-application, and nothing else."""
    async with connect() as client:
        paths = (await client.get("/v1/openapi.json")).json()["paths"]
    calls = {f"{method.upper()} {path}" for path in paths for method in paths[path]}
    hidden = {"POST /responses/compact", "POST /responses/input_tokens"}
    assert calls == OpenAiRoute.table.keys() - hidden


def test_in_the_log() -> None:
    """A request's line says which route of which protocol it was."""
    route = type("Route", (), {"path": "/models"})()
    scope = {"route": route, "app_root_path": "/outlast", "root_path": "/outlast/v1"}
    assert route_of(scope) == "/v1/models"
    assert route_of({"route": route, "root_path": "/outlast"}) == "/models"
