"""Who is calling: keys, each with a name, a tenant and rights."""

import hashlib
import hmac
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PrivateAttr,
    SecretStr,
)

from outlast.errors import Unauthorized
from outlast.names import DEFAULT_TENANT
from outlast_app.rights import ALL_RIGHTS, Right

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
# What a header carries as it is, without the white space at which it would be cut.
_KEY = re.compile(r"[!-~]+")
_OF_PLAIN_KEYS: frozenset[Right] = ALL_RIGHTS - {"inspect"}


def hash_of_key(key: str) -> str:
    """Return what is kept of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def checked_name(name: str) -> str:
    """Return a key's name.

    Raises:
        ValueError: It can't be one.
    """
    if not _NAME.fullmatch(name):
        raise ValueError("must be 1 to 64 letters, digits, . _ and -")
    return name


def _checked_sha256(given: SecretStr) -> SecretStr:
    digest = given.get_secret_value().lower()
    if not _SHA256.fullmatch(digest):
        raise ValueError("must be a key's SHA-256, as 64 hexadecimal digits")
    if digest == hash_of_key(""):
        raise ValueError("is the hash of nothing; `python -m outlast_app.new_key` makes a key")
    return SecretStr(digest)


def _some(rights: frozenset[Right]) -> frozenset[Right]:
    if not rights:
        raise ValueError(f"must have at least one of {', '.join(sorted(ALL_RIGHTS))}")
    return rights


class Key(BaseModel):
    """A key: what it is called in decisions and logs, and what it may do. Only its hash is kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, AfterValidator(checked_name)]
    sha256: Annotated[SecretStr, AfterValidator(_checked_sha256)]
    rights: Annotated[frozenset[Right], AfterValidator(_some)]

    _plain: SecretStr | None = PrivateAttr(default=None)

    @classmethod
    def of_plain(cls, number: int, key: str) -> Self:
        """Return a key that is given as nothing but a text: it has all rights but `inspect`.

        Raises:
            ValueError: Nobody could send it.
        """
        if not key:
            raise ValueError(f"has an empty key, number {number}, which everybody would have")
        if not _KEY.fullmatch(key):
            raise ValueError(
                f"has a key, number {number}, that can't be sent: no white space, and nothing "
                "beyond ASCII"
            )
        made = cls(name=f"key-{number}", sha256=SecretStr(hash_of_key(key)), rights=_OF_PLAIN_KEYS)
        made._plain = SecretStr(key)
        return made

    @property
    def plain(self) -> SecretStr | None:
        """The key itself, where the settings have it."""
        return self._plain


def _read_plain(keys: Any) -> Any:
    if not isinstance(keys, list):
        return keys
    given = cast("list[Any]", keys)
    return [
        Key.of_plain(number, key) if isinstance(key, str) else key
        for number, key in enumerate(given, start=1)
    ]


def _told_apart(keys: list[Key]) -> list[Key]:
    if any(count > 1 for count in Counter(key.name for key in keys).values()):
        raise ValueError("has two keys of one name; decisions and logs could not tell them apart")
    return keys


TenantKeys = Annotated[list[Key], BeforeValidator(_read_plain), AfterValidator(_told_apart)]
"""A tenant's keys. A plain text is one, too, and is called `key-1` if it is the first."""


@dataclass(frozen=True)
class Caller:
    """Who sent a request. `key` is the name of the key; None where there are no keys."""

    tenant: str
    key: str | None
    rights: frozenset[Right]


_ANYBODY = Caller(DEFAULT_TENANT, None, ALL_RIGHTS)


class Keyring:
    """Finds out who is calling."""

    def __init__(self, keys: Mapping[str, Sequence[Key]]) -> None:
        self._callers = [
            (key.sha256.get_secret_value(), Caller(tenant, key.name, key.rights))
            for tenant, own in keys.items()
            for key in own
        ]

    def caller(self, authorization: str | None) -> Caller:
        """Return whom an `Authorization` header stands for.

        Raises:
            Unauthorized: There are keys, and this is none of them.
        """
        if not self._callers:
            return _ANYBODY
        scheme, _, key = (authorization or "").partition(" ")
        shown = hash_of_key(key.strip())
        found = None
        for known, caller in self._callers:  # to the end, so that time tells nothing
            if hmac.compare_digest(known, shown):
                found = caller
        if found is None or scheme.lower() != "bearer":
            raise Unauthorized(
                "Send `Authorization: Bearer <key>` with one of the keys in APP_KEYS.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return found
