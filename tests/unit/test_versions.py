"""What is written down in several places says the same everywhere."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import yaml

from fakes.repository import ROOT
from outlast_local.restate import VERSION
from outlast_worker.engine.records import JOURNAL_VERSION

TEMPLATE = ROOT / "local/outlast_local/template"
_IMAGE = re.compile(r"restatedev/restate(?:-cli|-server)?[:@]v?([\w.-]*\w)")
_VERSIONED_URL = re.compile(r"(?::9081|:9080|servicePath: )/v(\d+)")


def test_restate_has_one_version_everywhere():
    package = json.loads((ROOT / "package.json").read_text())
    wanted = {**package["dependencies"], **package["devDependencies"]}
    pinned = {version for name, version in wanted.items() if name.startswith("@restatedev/")}
    assert pinned == {VERSION}
    named = {
        f"{path.relative_to(ROOT)}: {version}": {version}
        for path in _texts()
        for version in _IMAGE.findall(path.read_text())
    }
    assert any(name.startswith("docker-compose.yml") for name in named)
    assert {name: version for name, version in named.items() if version != pinned} == {}


def test_registered_urls_have_the_journal_version():
    named = {
        f"{path.relative_to(ROOT)}: {version}": int(version)
        for path in _texts()
        for version in _VERSIONED_URL.findall(path.read_text())
    }
    assert named
    assert {name for name, version in named.items() if version != JOURNAL_VERSION} == set()


def test_images_have_one_python_that_the_project_supports():
    versions = {
        version
        for dockerfile in (*ROOT.glob("Dockerfile.*"), TEMPLATE / "Dockerfile")
        for version in re.findall(r"python:(\d+\.\d+)", dockerfile.read_text())
    }
    assert len(versions) == 1
    manifest = tomllib.loads((ROOT / "shared/pyproject.toml").read_text())
    low, high = re.findall(r"\d+\.(\d+)", manifest["project"]["requires-python"])
    minor = int(versions.pop().split(".")[1])
    assert int(low) <= minor < int(high)


def test_both_images_share_their_first_layers():
    stages = {
        re.search(r"FROM \S+ AS base\n.*?(?=\nFROM)", path.read_text(), re.DOTALL)[0]  # pyright: ignore[reportOptionalSubscript]
        for path in ROOT.glob("Dockerfile.*")
    }
    assert len(stages) == 1


def test_the_locked_uv_builds_the_project_itself():
    locked = re.search(r"^uv==0\.(\d+)\.", (ROOT / "requirements/uv.txt").read_text(), re.MULTILINE)
    assert locked
    minor = int(locked[1])
    for path in ROOT.glob("*/pyproject.toml"):
        manifest = tomllib.loads(path.read_text())
        assert manifest["build-system"]["requires"] == [f"uv_build>=0.{minor},<0.{minor + 1}"]


def test_compose_runs_restate_with_the_settings_of_local_stacks():
    of_local_stacks = ROOT / "local/outlast_local/restate/restate.toml"
    assert (ROOT / "deploy/restate.toml").read_text() == of_local_stacks.read_text()


def test_a_new_project_asks_for_this_version():
    version = tomllib.loads((ROOT / "shared/pyproject.toml").read_text())["project"]["version"]
    template = ROOT / "local/outlast_local/template"
    for name in ("pyproject.toml", "requirements.txt"):
        asked = re.findall(r"\boutlast(?:\[local\])?==([\w.]+)", (template / name).read_text())
        assert asked == [version], name


def test_kubernetes_gives_provider_keys_to_the_worker_alone():
    for name, has in (("app", False), ("worker", True)):
        manifest = (ROOT / f"deploy/kubernetes/{name}.yaml").read_text()
        assert ("outlast-providers" in manifest) == has, name
        assert ("secretRef: {name: outlast-app}" in manifest) != has, name


def test_kubernetes_runs_restate_with_the_settings_of_the_single_node():
    manifest = yaml.safe_load((ROOT / "deploy/kubernetes/restate.yaml").read_text())
    ours = tomllib.loads((ROOT / "deploy/restate.toml").read_text())
    assert tomllib.loads(manifest["spec"]["config"]) == ours


def test_a_new_projects_image_has_the_uv_that_ours_have():
    [locked] = re.findall(r"^uv==(\S+)", (ROOT / "requirements/uv.txt").read_text(), re.MULTILINE)
    assert f" uv=={locked} " in (TEMPLATE / "Dockerfile").read_text()


def _texts() -> Iterator[Path]:
    yield from (p for p in TEMPLATE.rglob("*") if p.is_file() and p.suffix in ("", ".md", ".yaml"))
    yield from ROOT.glob("docker-compose*.yml")
    yield from ROOT.glob("Dockerfile*")
    yield from ROOT.glob("*.md")
    for folder in ("deploy", "docs", "local/outlast_local/template"):
        yield from (path for path in (ROOT / folder).rglob("*") if path.is_file())
