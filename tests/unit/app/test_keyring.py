"""Whom a bearer key stands for."""

import hashlib
import hmac
from typing import Any

import pytest
from pydantic import TypeAdapter

from outlast.errors import Unauthorized
from outlast_app.keyring import Caller, Key, Keyring, TenantKeys
from outlast_app.rights import ALL_RIGHTS


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def keys(*given: Any) -> list[Key]:
    return TypeAdapter[list[Key]](TenantKeys).validate_python(list(given))


KEYS = {
    "acme": keys("one", {"name": "desk", "sha256": digest("two"), "rights": ["read", "approve"]}),
    "other": keys({"name": "desk", "sha256": digest("three").upper(), "rights": ["inspect"]}),
}


@pytest.mark.parametrize(
    ("authorization", "caller"),
    [
        ("Bearer one", Caller("acme", "key-1", ALL_RIGHTS - {"inspect"})),
        ("bearer one", Caller("acme", "key-1", ALL_RIGHTS - {"inspect"})),
        ("BEARER  one ", Caller("acme", "key-1", ALL_RIGHTS - {"inspect"})),
        ("Bearer two", Caller("acme", "desk", frozenset({"read", "approve"}))),
        ("Bearer three", Caller("other", "desk", frozenset({"inspect"}))),
    ],
)
def test_known_keys(authorization: str, caller: Caller) -> None:
    """Each key stands for its tenant and has its rights, and the scheme's case does not matter."""
    assert Keyring(KEYS).caller(authorization) == caller


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer ONE",
        "Bearer on",
        "Basic one",
        "one",
        "Bearer one two",
        "Bearer drei-ä",
        f"Bearer {digest('two')}",
    ],
)
def test_other_keys(authorization: str | None) -> None:
    """Anything else is refused, with how to do it right, and without repeating what was sent."""
    with pytest.raises(Unauthorized, match="Authorization: Bearer <key>") as raised:
        Keyring(KEYS).caller(authorization)
    assert raised.value.headers == {"WWW-Authenticate": "Bearer"}


@pytest.mark.parametrize("authorization", [None, "Bearer anything"])
def test_without_keys(authorization: str | None) -> None:
    """Where no keys are set, everybody is the one tenant that there is, and may do everything."""
    assert Keyring({}).caller(authorization) == Caller("default", None, ALL_RIGHTS)


@pytest.mark.parametrize("sent", ["one", "three", "nobody's"])
def test_time_tells_nothing(monkeypatch: pytest.MonkeyPatch, sent: str) -> None:
    """Whatever is sent, it is compared with every key there is, in constant time."""
    compared: list[str] = []
    compare = hmac.compare_digest

    def watched(known: str, shown: str) -> bool:
        compared.append(known)
        return compare(known, shown)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    keyring = Keyring(KEYS)
    try:
        keyring.caller(f"Bearer {sent}")
    except Unauthorized:
        assert sent == "nobody's"
    assert compared == [digest("one"), digest("two"), digest("three")]


def test_plain_keys_have_numbers() -> None:
    """A key that is nothing but a text is named by its place; it may do all but inspect."""
    named = keys("one", {"name": "desk", "sha256": digest("x"), "rights": ["read"]}, "three")
    assert [key.name for key in named] == ["key-1", "desk", "key-3"]
    assert named[2].rights == {"invoke", "read", "approve"}
    assert "three" not in repr(named)
