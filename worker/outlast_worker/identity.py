"""Makes what the worker knows its callers by, so that it serves nobody else.

    python -m outlast_worker.identity DIRECTORY

Writes `restate.pem` (for the server's `request-identity-private-key-pem-file`), `public` (for
`WORKER_IDENTITY_KEYS_FILE`) and `stream-secret` (for `STREAM_SECRET_FILE`, of app and worker).
What is there already is kept.
"""

import argparse
import os
import secrets
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def make_identity(directory: Path) -> str:
    """Make what is not there yet; return Restate's public key."""
    stream_secret = directory / "stream-secret"
    if not stream_secret.exists():
        _write(stream_secret, secrets.token_urlsafe(32).encode(), mode=0o644)
    private = directory / "restate.pem"
    if not private.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        _write(private, pem, mode=0o600)
    key = load_pem_private_key(private.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError(f"{private} is not an Ed25519 key")
    public = public_name(key.public_key().public_bytes_raw())
    _write(directory / "public", f"{public}\n".encode(), mode=0o644)
    return public


def public_name(key: bytes) -> str:
    """Return a public key as Restate writes it: base58, which has a 1 for each leading zero."""
    number, digits = int.from_bytes(key), ""
    while number:
        number, digit = divmod(number, 58)
        digits = _BASE58[digit] + digits
    zeros = len(key) - len(key.lstrip(b"\0"))
    return f"publickeyv1_{'1' * zeros}{digits}"


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write a file whole or not at all."""
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        os.fsync(file.fileno())
    unfinished.rename(path)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m outlast_worker.identity", description=__doc__)
    parser.add_argument("directory", type=Path)
    public = make_identity(parser.parse_args().directory)
    sys.stdout.write(f"Restate signs its requests as {public}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
