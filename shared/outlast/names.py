"""Names and keys that app and worker must build alike.

A run id is `<agent>.<26 characters>`: it says which service holds the run, and can't be guessed.
"""

import base64
import hashlib
import re
import secrets

AGENT_NAME = r"[a-z][a-z0-9_-]{0,62}"
THREAD_ID = r"[A-Za-z0-9._:-]{1,128}"
DEFAULT_TENANT = "default"

_RUN_ID = re.compile(rf"({AGENT_NAME})\.[a-z2-7]{{26}}")
_AGENT_NAME = re.compile(AGENT_NAME)
_ID_BYTES = 16


def is_agent_name(name: str) -> bool:
    """Tell whether an agent may have this name."""
    return _AGENT_NAME.fullmatch(name) is not None


def new_run_id(agent: str) -> str:
    """Make a run id from 128 random bits."""
    return f"{agent}.{_encode(secrets.token_bytes(_ID_BYTES))}"


def derived_run_id(agent: str, *parts: str) -> str:
    """Make the run id that the same parts always give, for requests that may be repeated."""
    framed = b"".join(
        len(part.encode()).to_bytes(4, "big") + part.encode() for part in (agent, *parts)
    )
    return f"{agent}.{_encode(hashlib.sha256(framed).digest()[:_ID_BYTES])}"


def agent_of(run_id: str) -> str | None:
    """Return the agent that a run id names, or None if it is not a run id."""
    match = _RUN_ID.fullmatch(run_id)
    return match[1] if match else None


def service_of(agent: str, prefix: str) -> str:
    """Return the Restate service that runs this agent."""
    return f"{prefix}{agent}"


def thread_service(prefix: str) -> str:
    """Return the Restate service that holds threads."""
    return f"{prefix}Thread"


def thread_watch_service(prefix: str) -> str:
    """Return the Restate service that watches over threads."""
    return f"{prefix}ThreadWatch"


def key_of(tenant: str, name: str) -> str:
    """Return the Restate key of a run or a thread: another tenant's can't be addressed."""
    return f"{tenant}/{name}"


def _encode(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()
