"""The worker's settings, from the environment and `.env`."""

import re
from pathlib import Path
from typing import Annotated, Literal

from dotenv import load_dotenv
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FilePath, SecretStr
from pydantic_settings import SettingsConfigDict

from outlast.settings import SharedSettings
from outlast.settings_errors import FromJson


class ProviderKey(BaseModel):
    """One API key. Keys are tried in a random order, the heavier the sooner."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    key: SecretStr
    weight: float = Field(default=1, gt=0)


class Provider(BaseModel):
    """How to reach one provider: the part of a model string before the `/`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str | None = None
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    keys: list[ProviderKey] = Field(default_factory=list[ProviderKey])


_EXAMPLE = (
    '{"openai": {"base_url": null, "headers": {}, "keys": ['
    '{"name": "main", "key": "sk-…", "weight": 2}, {"name": "spare", "key": "sk-…"}]}}'
)
_IDENTITY_KEY = re.compile(r"publickeyv1_[1-9A-HJ-NP-Za-km-z]{32,44}")
Seconds = Annotated[float, Field(gt=0)]
HttpServer = Literal["hypercorn", "granian"]


def _identity_key(key: str) -> str:
    if not _IDENTITY_KEY.fullmatch(key):
        raise ValueError("must be one of Restate's public keys")
    return key


IdentityKey = Annotated[str, AfterValidator(_identity_key)]


class WorkerSettings(SharedSettings):
    """`WORKER_*`, and what the app reads too."""

    model_config = SettingsConfigDict(
        env_file=".env", env_prefix="WORKER_", extra="ignore", frozen=True
    )

    host: str = "127.0.0.1"
    port: int = Field(default=9081, ge=0, le=65535)
    http_server: HttpServer = "hypercorn"
    """Who speaks HTTP/2 with Restate: granian's is Rust, and an extra to install."""
    providers: FromJson[dict[str, Provider]] = Field(
        default_factory=dict[str, Provider],
        examples=[_EXAMPLE],
    )
    identity_keys: FromJson[list[IdentityKey]] = Field(
        default_factory=list[str], examples=['["publickeyv1_…"]']
    )
    """Restate's public keys; with any, only requests that Restate signed are served."""
    identity_keys_file: FilePath | None = None
    """More of them, one a line: what `python -m outlast_worker.identity` writes."""
    model_client: Literal["auto", "litellm"] = "auto"
    """`auto`: providers that speak OpenAI's wire format or Anthropic's are called directly, others
    through litellm; `litellm`: all are called through it."""
    model_timeout_s: Seconds = 600
    """Of one model call."""
    model_idle_s: Seconds = 90
    """How long a model that streams may say nothing, before its first word too."""
    model_retry_for_s: Seconds = 600
    """How long one turn's model call is tried again, from its first failure on, while retrying may
    help."""
    heed_rate_limits: bool = True
    """Whether a call waits when its provider has said that the key has no room for it."""
    fallback_after_s: Seconds = 30
    """How long a model that is unavailable is tried again before the agent's next one is asked, if
    it has one."""
    live_interval_s: float = Field(default=0.05, ge=0)
    """A streamed answer's pieces are sent together for so long; the first one goes at once. It is
    longer while many answers are streamed."""
    conversation_cache_bytes: int = Field(default=64_000_000, ge=0)
    """Memory for conversations, so that a thread's next run need not read what was said; 0 for
    none."""
    tool_threads: int = Field(default=64, ge=1)
    """How many sync tools run at once."""
    loop_blocked_after_s: Seconds = 0.5
    """An async tool that holds up the event loop for longer is logged."""
    suspend_after_s: Seconds = 0.1
    """A run that waits (for its time, a person) for longer leaves the worker: while it is there it
    holds one of Restate's places, which others need."""
    webhook_retry_for_s: Seconds = 24 * 3600
    """How long a webhook is tried again, from its event on."""
    inactivity_timeout_s: float | None = Field(default=None, ge=0)
    """After this long without progress Restate suspends a run: by default longer than any of the
    agent's steps can take; 0, for tests, replays the run after every step."""
    journal_retention_s: float = Field(default=0, ge=0)
    """How long Restate's UI shows the journal of a run after its end."""
    shutdown_timeout_s: Seconds = 5
    """How long SIGTERM waits for steps in flight; Restate repeats those that did not end. Then the
    agents' lifespan has as long to be left."""

    def all_identity_keys(self) -> list[str]:
        """Return Restate's public keys, those in the file included."""
        written = self.identity_keys_file.read_text().split() if self.identity_keys_file else []
        return [*self.identity_keys, *written]


def export_env_file() -> None:
    """Put what `.env` says into the environment, where that says nothing.

    Settings are read from the file as well. This is for whom else it may be meant: providers'
    keys, and what tools and libraries read.
    """
    load_dotenv(Path.cwd() / ".env")
