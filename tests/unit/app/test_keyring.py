"""Which tenant a bearer key stands for."""

import pytest
from pydantic import SecretStr

from outlast.errors import Unauthorized
from outlast_app.keyring import Keyring

KEYS = {"acme": [SecretStr("one"), SecretStr("two")], "other": [SecretStr("drei-ä")]}


@pytest.mark.parametrize(
    ("authorization", "tenant"),
    [
        ("Bearer one", "acme"),
        ("Bearer two", "acme"),
        ("bearer one", "acme"),
        ("BEARER  one ", "acme"),
        ("Bearer drei-ä", "other"),
    ],
)
def test_known_keys(authorization: str, tenant: str) -> None:
    """Each key stands for its tenant, and the scheme's case does not matter."""
    assert Keyring(KEYS).tenant(authorization) == tenant


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
    ],
)
def test_other_keys(authorization: str | None) -> None:
    """Anything else is refused, with how to do it right, and without repeating what was sent."""
    with pytest.raises(Unauthorized, match="Authorization: Bearer <key>") as raised:
        Keyring(KEYS).tenant(authorization)
    assert raised.value.headers == {"WWW-Authenticate": "Bearer"}


@pytest.mark.parametrize("authorization", [None, "Bearer anything"])
def test_without_keys(authorization: str | None) -> None:
    """Where no keys are set, everybody is the one tenant that there is."""
    assert Keyring({}).tenant(authorization) == "default"
