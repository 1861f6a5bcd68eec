"""What `docker-compose.yml` and a new project's `compose.yaml` promise, without an engine."""

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from fakes.repository import ROOT
from outlast.settings import SharedSettings
from outlast_app.settings import AppSettings
from outlast_local.guard.settings import GuardSettings
from outlast_worker.settings import WorkerSettings

Services = dict[str, dict[str, Any]]

OURS = "docker-compose.yml"
NEW_PROJECT = "local/outlast_local/template/compose.yaml"
SHARED = {str(field.validation_alias) for field in SharedSettings.model_fields.values()}


def _services(path: str) -> Services:
    return yaml.safe_load((ROOT / path).read_text())["services"]


@pytest.fixture(params=[OURS, NEW_PROJECT])
def services(request: pytest.FixtureRequest) -> Services:
    return _services(request.param)


@pytest.mark.parametrize("service", ["app", "worker", "register"])
def test_settings_that_must_agree_reach_everybody(services: Services, service: str):
    environment = services[service]["environment"]
    assert set(environment) >= SHARED
    assert all(environment[name] == services["app"]["environment"][name] for name in SHARED)


def test_the_app_gets_all_of_its_settings_and_nothing_else(services: Services):
    own = {
        str(field.validation_alias or f"APP_{name.upper()}")
        for name, field in AppSettings.model_fields.items()
        if not _is_shared(name)
    }
    assert set(services["app"]["environment"]) == SHARED | own
    assert "env_file" not in services["app"]


def test_only_the_worker_gets_provider_keys(services: Services):
    for name, service in services.items():
        given = [
            variable
            for variable in service.get("environment", {})
            if variable.endswith("_API_KEY") or variable == "WORKER_PROVIDERS"
        ]
        assert bool(given) == (name == "worker"), name
        assert ("env_file" in service) == (name == "worker"), name


def test_worker_settings_in_the_file_exist(services: Services):
    names = {f"WORKER_{name.upper()}" for name in WorkerSettings.model_fields} | SHARED
    given = {name for name in services["worker"]["environment"] if name.startswith("WORKER_")}
    assert given <= names


def test_only_the_app_can_be_published_beyond_loopback(services: Services):
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert set(published) == {"guard", "app"}
    assert all(port.startswith("127.0.0.1:") for port in published["guard"])
    assert [port.split(":8070")[0] for port in published["app"]] == [
        "${APP_PUBLISH:-127.0.0.1}:${APP_PORT:-8070}"
    ]


def test_the_guard_knows_by_which_ports_browsers_reach_it(services: Services):
    guard = services["guard"]
    published = [port.removeprefix("127.0.0.1:").rpartition(":")[0] for port in guard["ports"]]
    assert guard["environment"]["GUARD_PUBLIC_PORTS"] == ",".join(published)
    own = {
        str(field.validation_alias or f"GUARD_{name.upper()}")
        for name, field in GuardSettings.model_fields.items()
    }
    assert set(guard["environment"]) == own


def test_every_container_is_locked_down(services: Services):
    for name, service in services.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service, name
        assert "user" not in service or service["network_mode"] == "none", f"{name} is root"


def test_a_new_project_differs_only_in_what_it_has_of_its_own():
    ours, new = _services(OURS), _services(NEW_PROJECT)
    for service in (*ours.values(), *new.values()):
        service.pop("build", None)
    for service in ours.values():
        if "AGENTS" in service.get("environment", {}):
            service["environment"]["AGENTS"] = "${AGENTS:-desk}"
    # The example's orders.
    del ours["worker"]["environment"]["SUPPORT_DB"]
    ours["worker"]["volumes"].remove("support-db:/data")
    # Restate's settings, which a new project has no file for.
    ours["restate"]["command"] = new["restate"]["command"]
    ours["restate"]["volumes"].remove("./deploy/restate.toml:/etc/restate.toml:ro")
    ours["restate"]["environment"] |= _restate_settings()
    assert new == ours


def _restate_settings() -> dict[str, str]:
    def variables(settings: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
        for name, value in settings.items():
            variable = prefix + name.replace("-", "_").upper()
            if isinstance(value, dict):
                yield from variables(value, f"{variable}__")
            else:
                yield variable, str(value).lower() if isinstance(value, bool) else value

    settings = tomllib.loads((ROOT / "deploy/restate.toml").read_text())
    return dict(variables(settings, "RESTATE_"))


def _is_shared(name: str) -> bool:
    return name in SharedSettings.model_fields
