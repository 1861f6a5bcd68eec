"""What `docker-compose.yml` promises, without an engine."""

from typing import Any

import pytest
import yaml

from outlast.settings import SharedSettings
from outlast_app.settings import AppSettings
from outlast_local.restate_binary import ROOT
from outlast_worker.settings import WorkerSettings

SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
SHARED = {str(field.validation_alias) for field in SharedSettings.model_fields.values()}


@pytest.mark.parametrize("service", ["app", "worker", "register"])
def test_settings_that_must_agree_reach_everybody(service: str):
    environment = SERVICES[service]["environment"]
    assert set(environment) >= SHARED
    assert all(environment[name] == SERVICES["app"]["environment"][name] for name in SHARED)


def test_the_app_gets_all_of_its_settings_and_nothing_else():
    own = {
        str(field.validation_alias or f"APP_{name.upper()}")
        for name, field in AppSettings.model_fields.items()
        if not _is_shared(name)
    }
    assert set(SERVICES["app"]["environment"]) == SHARED | own
    assert "env_file" not in SERVICES["app"]


def test_only_the_worker_gets_provider_keys():
    for name, service in SERVICES.items():
        given = [
            variable
            for variable in service.get("environment", {})
            if variable.endswith("_API_KEY") or variable == "WORKER_PROVIDERS"
        ]
        assert bool(given) == (name == "worker"), name
        assert ("env_file" in service) == (name == "worker"), name


def test_worker_settings_in_the_file_exist():
    names = {f"WORKER_{name.upper()}" for name in WorkerSettings.model_fields} | SHARED
    given = {name for name in SERVICES["worker"]["environment"] if name.startswith("WORKER_")}
    assert given <= names


def test_only_the_app_can_be_published_beyond_loopback():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"restate", "app"}
    assert all(port.startswith("127.0.0.1:") for port in published["restate"])
    assert [port.split(":8070")[0] for port in published["app"]] == [
        "${APP_PUBLISH:-127.0.0.1}:${APP_PORT:-8070}"
    ]


def _is_shared(name: str) -> bool:
    return name in SharedSettings.model_fields
