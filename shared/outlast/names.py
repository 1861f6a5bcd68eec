"""Names and keys that app and worker must build alike.

A run id is `<agent>.<26 characters>`: it says which service holds the run, and can't be guessed.
"""

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Self

from outlast.errors import UnknownRun

AGENT_NAME = r"[a-z][a-z0-9_-]{0,62}"
RUN_ID = rf"{AGENT_NAME}\.[a-z2-7]{{26}}"
THREAD_ID = r"[A-Za-z0-9._:-]{1,128}"
DEFAULT_TENANT = "default"

_RUN_ID = re.compile(RUN_ID)
_AGENT_NAME = re.compile(AGENT_NAME)
_ID_BYTES = 16


@dataclass(frozen=True)
class RunRef:
    """A run of a tenant. Made by `parse` where a client names it, and trusted from there on."""

    tenant: str
    run_id: str

    @classmethod
    def parse(cls, tenant: str, run_id: str) -> Self:
        """Read what a client sends.

        Raises:
            UnknownRun: It is not a run id, so that there can't be such a run.
        """
        if not _RUN_ID.fullmatch(run_id):
            raise UnknownRun(
                f"{run_id!r} is not a run id; those look like support.<26 characters>."
            )
        return cls(tenant, run_id)

    @classmethod
    def from_key(cls, key: str) -> Self | None:
        """Read a Restate key; None for one that is not a run's, as somebody may make by hand."""
        tenant, _, run_id = key.partition("/")
        return cls(tenant, run_id) if _RUN_ID.fullmatch(run_id) else None

    @property
    def agent(self) -> str:
        """The agent that the run is of."""
        return self.run_id.partition(".")[0]

    @property
    def key(self) -> str:
        """The run's Restate key."""
        return key_of(self.tenant, self.run_id)

    def service(self, prefix: str) -> str:
        """Return the Restate service that holds the run."""
        return service_of(self.agent, prefix)


@dataclass(frozen=True)
class ThreadRef:
    """A conversation of a tenant."""

    tenant: str
    thread_id: str

    @property
    def key(self) -> str:
        """The thread's Restate key."""
        return key_of(self.tenant, self.thread_id)

    def service(self, prefix: str) -> str:
        """Return the Restate service that holds the thread."""
        return thread_service(prefix)


@dataclass(frozen=True)
class WebhookRef:
    """One of a run's webhooks, by its place among them."""

    run: RunRef
    place: int

    @property
    def key(self) -> str:
        """The webhook's Restate key."""
        return f"{self.run.key}/{self.place}"

    def event_id(self, name: str) -> str:
        """Name an event at this webhook: what tells it from the run's others is always the same."""
        return f"msg_{_encode(digest_of('webhook', self.key, name)[:_ID_BYTES])}"

    def service(self, prefix: str) -> str:
        """Return the Restate service that tells webhooks of events."""
        return webhooks_service(prefix)


def is_agent_name(name: str) -> bool:
    """Tell whether an agent may have this name."""
    return _AGENT_NAME.fullmatch(name) is not None


def new_run_id(agent: str) -> str:
    """Make a run id from 128 random bits."""
    return f"{agent}.{_encode(secrets.token_bytes(_ID_BYTES))}"


def derived_run_id(agent: str, *parts: str) -> str:
    """Make the run id that the same parts always give, for requests that may be repeated."""
    return f"{agent}.{_encode(digest_of(agent, *parts)[:_ID_BYTES])}"


def child_run_id(agent: str, run_id: str, call_id: str) -> str:
    """Make the id of the run that a call of another run is: the same call always gives the same."""
    return derived_run_id(agent, "child", run_id, call_id)


def child_thread_id(agent: str, tool: str, beside: str) -> str:
    """Name the conversation that an agent has as a tool, beside a thread or a run."""
    return f"{agent}:{_encode(digest_of('child', tool, beside)[:_ID_BYTES])}"


def new_thread_id() -> str:
    """Make a thread's name from 128 random bits."""
    return f"thread-{_encode(secrets.token_bytes(_ID_BYTES))}"


def derived_thread_id(*parts: str) -> str:
    """Make the name that the same parts always give, for requests that may be repeated."""
    return f"thread-{_encode(digest_of('thread', *parts)[:_ID_BYTES])}"


def digest_of(*parts: str) -> bytes:
    """Return a hash of texts in this order; no other list of texts has it."""
    framed = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
    return hashlib.sha256(framed).digest()


def service_of(agent: str, prefix: str) -> str:
    """Return the Restate service that runs this agent."""
    return f"{prefix}{agent}"


def durable_tools_service(agent: str, prefix: str) -> str:
    """Return the Restate service that carries out this agent's durable tools."""
    return f"{prefix}{agent}.tools"


def thread_service(prefix: str) -> str:
    """Return the Restate service that holds threads."""
    return f"{prefix}Thread"


def thread_watch_service(prefix: str) -> str:
    """Return the Restate service that watches over threads."""
    return f"{prefix}ThreadWatch"


def webhook_watch_service(prefix: str) -> str:
    """Return the Restate service that passes on to webhooks what happens to runs."""
    return f"{prefix}WebhookWatch"


def webhooks_service(prefix: str) -> str:
    """Return the Restate service that tells webhooks of events."""
    return f"{prefix}Webhooks"


def budget_service(prefix: str) -> str:
    """Return the Restate service that holds what runs below limited ones may use."""
    return f"{prefix}Budget"


def key_of(tenant: str, name: str) -> str:
    """Return the Restate key of a run or a thread: another tenant's can't be addressed."""
    return f"{tenant}/{name}"


def _encode(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()
