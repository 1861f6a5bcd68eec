"""A key that could never let anybody in is refused at the start, with what to write."""

import json
from pathlib import Path
from typing import Any

import pytest

from outlast.settings_errors import InvalidSettings, check_settings
from outlast_app.keyring import hash_of_key
from outlast_app.settings import AppSettings

SHA256 = hash_of_key("secret-1")
A_KEY = {"name": "desk", "sha256": SHA256, "rights": ["read"]}

NO_NAME = "[0].name must be 1 to 64 letters, digits, . _ and -"
NO_SHA256 = "[0].sha256 must be a key's SHA-256, as 64 hexadecimal digits"
NOT_SENT = " has a key, number 2, that can't be sent: no white space, and nothing beyond ASCII"
ONE_NAME = " has two keys of one name; decisions and logs could not tell them apart"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENTS", "desk")


def refusal(monkeypatch: pytest.MonkeyPatch, keys: Any) -> str:
    monkeypatch.setenv("APP_KEYS", json.dumps(keys))
    with pytest.raises(InvalidSettings) as raised:
        check_settings(AppSettings)
    [_, line] = str(raised.value).splitlines()
    assert "secret" not in line
    return line


@pytest.mark.parametrize(
    "key", ["secret 1", " secret", "secret\n", "secret\t", "secret\0", "secret\x7f", "secré", "中"]
)
def test_what_no_header_carries(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """White space, control characters and what is not ASCII would never match what is sent."""
    assert refusal(monkeypatch, {"acme": ["secret", key]}).startswith(f"APP_KEYS.acme{NOT_SENT}")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"name": ""}, NO_NAME),
        ({"name": "a desk"}, NO_NAME),
        ({"name": "ä"}, NO_NAME),
        ({"name": "d" * 65}, NO_NAME),
        ({"sha256": "secret-1"}, NO_SHA256),
        ({"sha256": ""}, NO_SHA256),
        ({"sha256": SHA256[1:]}, NO_SHA256),
        ({"sha256": f"{SHA256[1:]}g"}, NO_SHA256),
        ({"sha256": hash_of_key("")}, "[0].sha256 is the hash of nothing"),
        ({"rights": ["read", "write"]}, "[0].rights[1] must be 'invoke', 'read', 'approve' or"),
        ({"rights": []}, "[0].rights must have at least one of approve, inspect, invoke, read"),
        ({"rights": "read"}, "[0].rights must be a list"),
        ({"key": "secret-1"}, "[0].… is not known"),
    ],
)
def test_entries(monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any], told: str) -> None:
    """The field that is wrong is named, with an entry as it should be."""
    line = refusal(monkeypatch, {"acme": [{**A_KEY, **wrong}]})
    assert line.startswith(f"APP_KEYS.acme{told}")
    assert 'write it like {"acme": [{"name": "desk"' in line


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ([""], " has an empty key, number 1, which everybody would have"),
        ([5], "[0] must be an object"),
        ([A_KEY, {**A_KEY, "sha256": hash_of_key("secret-2")}], ONE_NAME),
        (["secret", {**A_KEY, "name": "key-1"}], ONE_NAME),
        ({"desk": SHA256}, " must be a list"),
    ],
)
def test_lists(monkeypatch: pytest.MonkeyPatch, keys: Any, told: str) -> None:
    """A tenant's keys are a list, each with a name of its own."""
    assert refusal(monkeypatch, {"acme": keys}).startswith(f"APP_KEYS.acme{told}")


@pytest.mark.parametrize(
    "keys",
    [
        {"acme": ["secret-1", "secret-1"]},
        {"acme": ["secret-1"], "other": [A_KEY]},
        {"acme": [A_KEY], "other": [{**A_KEY, "sha256": SHA256.upper()}]},
    ],
)
def test_one_key_twice(monkeypatch: pytest.MonkeyPatch, keys: Any) -> None:
    """A key that has two names or two tenants is refused, however it is written."""
    assert "a key is there twice" in refusal(monkeypatch, keys)


def test_no_key_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever takes the last key out does not let everybody in."""
    assert "names tenants and no key" in refusal(monkeypatch, {"acme": [], "other": []})
    monkeypatch.setenv("APP_KEYS", json.dumps({"acme": [], "other": [A_KEY]}))
    check_settings(AppSettings)


def test_one_name_for_two_tenants(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tenants name their keys as they like."""
    other = {**A_KEY, "sha256": hash_of_key("secret-2")}
    monkeypatch.setenv("APP_KEYS", json.dumps({"acme": [A_KEY], "other": [other, "secret-3"]}))
    check_settings(AppSettings)
