"""Which tenant a bearer key stands for."""

import hashlib
from collections.abc import Mapping, Sequence

from pydantic import SecretStr

from outlast.errors import Unauthorized
from outlast.names import DEFAULT_TENANT


class Keyring:
    """Finds the tenant of a key. Keys are looked up by their hashes, so time tells nothing."""

    def __init__(self, keys: Mapping[str, Sequence[SecretStr]]) -> None:
        self._tenants = {
            _hash(key.get_secret_value()): tenant for tenant, own in keys.items() for key in own
        }

    def tenant(self, authorization: str | None) -> str:
        """Return the tenant that an `Authorization` header stands for.

        Raises:
            Unauthorized: There are keys, and this is none of them.
        """
        if not self._tenants:
            return DEFAULT_TENANT
        scheme, _, key = (authorization or "").partition(" ")
        tenant = self._tenants.get(_hash(key.strip())) if scheme.lower() == "bearer" else None
        if tenant is None:
            raise Unauthorized(
                "Send `Authorization: Bearer <key>` with one of the keys in APP_KEYS.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return tenant


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
