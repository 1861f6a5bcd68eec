"""What both processes read from the environment and `.env`, without a prefix."""

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    FilePath,
    SecretStr,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from outlast.addresses import Address
from outlast.hosts import Authority
from outlast.model_prices import EXAMPLE, ModelPrice, PricedModel
from outlast.registry import Registry, load_registry
from outlast.settings_errors import FromJson
from outlast.webhooks import (
    SECRETS_EXAMPLE,
    PrivateHosts,
    PublicHosts,
    Secrets,
    WebhookPolicy,
)

DEFAULT_MODEL = "openai/gpt-5.4-mini"
_VERSION = re.compile(r"/v\d+/?$")
# Without these everybody is let in: an empty one is more likely a secret that is missing.
_NEVER_EMPTY = frozenset({"keys", "identity_keys", "identity_keys_file"})
_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")


def _module(name: str) -> str:
    if not name:
        raise ValueError(
            "is missing; set it in .env or the environment: AGENTS=desk, if desk.py has your list"
            " `agents`"
        )
    return name


def _as_level(value: Any) -> Any:
    level = str(value).upper()
    return "WARNING" if level == "WARN" else level


def _http(url: str) -> str:
    if not _is_address(url, "http", "https"):
        raise ValueError("must be an address such as http://127.0.0.1:8080")
    return url


def _restate(url: str) -> str:
    Address.parse(url)
    return url


def _without_version(url: str) -> str:
    if _VERSION.search(url):
        raise ValueError("must be the worker's address without the /v… of a journal version")
    return url


def _redis(url: SecretStr) -> SecretStr:
    if not _is_address(url.get_secret_value(), "redis", "rediss", "unix"):
        raise ValueError("must be an address such as redis://127.0.0.1:6379/0")
    return url


def _is_address(url: str, *schemes: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return parts.scheme in schemes and bool(parts.hostname or parts.scheme == "unix") and port != 0


def _prefix(prefix: str) -> str:
    if prefix and not _PREFIX.fullmatch(prefix):
        raise ValueError("must begin with a letter and go on with letters, digits, . _ and -")
    return prefix


AgentsModule = Annotated[str, AfterValidator(_module)]
HttpAddress = Annotated[str, AfterValidator(_http)]
RestateAddress = Annotated[str, AfterValidator(_restate)]
RedisAddress = Annotated[SecretStr, AfterValidator(_redis)]
LogLevel = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_as_level)
]


class SharedSettings(BaseSettings):
    """Settings that app and worker must agree on. Aliases keep subclasses' prefixes off them."""

    # An error that shows what it was given would show keys.
    model_config = SettingsConfigDict(
        env_file=".env",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    # The default is none: it is refused, in words that say what to write.
    agents: AgentsModule = Field(default="", validate_default=True, validation_alias="AGENTS")
    """The module whose list `agents` both processes serve."""
    model: str = Field(default=DEFAULT_MODEL, validation_alias="MODEL")
    """The model of agents that name none, as a litellm model string."""
    model_prices: FromJson[dict[PricedModel, ModelPrice]] = Field(
        default_factory=dict[str, ModelPrice],
        validation_alias="MODEL_PRICES",
        examples=[EXAMPLE],
    )
    """What models cost, in US dollars for a million tokens, in place of what is known of them."""
    service_prefix: Annotated[str, AfterValidator(_prefix)] = Field(
        default="", validation_alias="SERVICE_PREFIX"
    )
    """Put before each Restate service's name, so that two teams can share a cluster."""
    restate_ingress_url: RestateAddress = Field(
        default="http://127.0.0.1:8080", validation_alias="RESTATE_INGRESS_URL"
    )
    """Where app and worker reach Restate: `http://…`, or `unix:///…` for a socket of it."""
    restate_admin_url: RestateAddress = Field(
        default="http://127.0.0.1:9070", validation_alias="RESTATE_ADMIN_URL"
    )
    worker_url: Annotated[HttpAddress, AfterValidator(_without_version)] = Field(
        default="http://127.0.0.1:9081", validation_alias="WORKER_URL"
    )
    """Where Restate reaches the worker, without a path."""
    run_retention_s: float = Field(default=7 * 24 * 3600, gt=0, validation_alias="RUN_RETENTION_S")
    """How long a run, its events and its idempotency key can be read after its end."""
    stream_secret: SecretStr | None = Field(default=None, validation_alias="STREAM_SECRET")
    """Lets the app in where the worker serves live events; else only the same machine may."""
    stream_secret_file: FilePath | None = Field(default=None, validation_alias="STREAM_SECRET_FILE")
    """The same from a file, such as a mounted secret."""
    redis_url: RedisAddress | None = Field(default=None, validation_alias="REDIS_URL")
    """Carries live events instead, for several workers."""
    webhook_hosts: PublicHosts = Field(
        default_factory=list[Authority],
        validation_alias="WEBHOOK_HOSTS",
        examples=["hooks.example.org,*.example.com"],
    )
    """Whom runs may tell of themselves by webhooks, at public addresses; nobody if not given."""
    webhook_private_hosts: PrivateHosts = Field(
        default_factory=list[Authority],
        validation_alias="WEBHOOK_PRIVATE_HOSTS",
        examples=["hooks.internal:8000"],
    )
    """Whom they may tell at private addresses, and without TLS."""
    webhook_secrets: FromJson[Secrets] = Field(
        default_factory=dict[str, list[SecretStr]],
        validation_alias="WEBHOOK_SECRETS",
        examples=[SECRETS_EXAMPLE],
    )
    """What signs webhooks, by name; of several, all do, so that one can take another's place."""
    log_level: LogLevel = Field(default="INFO", validation_alias="LOG_LEVEL")
    log_json: bool | None = Field(default=None, validation_alias="LOG_JSON")
    """JSON lines; by default unless the log goes to a terminal."""

    @model_validator(mode="before")
    @classmethod
    def _empty_is_none(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Take a line that nobody filled in for none, unless it would open a door."""
        return {name: v for name, v in given.items() if v != "" or name in _NEVER_EMPTY}

    def stream_key(self) -> str | None:
        """Return what app and worker show each other on the channel of live events."""
        if self.stream_secret_file:
            return self.stream_secret_file.read_text().strip() or None
        return self.stream_secret.get_secret_value() if self.stream_secret else None

    def webhook_policy(self) -> WebhookPolicy:
        """Return who may be told by webhooks, and how that is signed."""
        return WebhookPolicy(self.webhook_hosts, self.webhook_private_hosts, self.webhook_secrets)

    def load_registry(self) -> Registry:
        """Import the agents.

        Raises:
            DefinitionError: An agent is declared wrongly.
        """
        return load_registry(self.agents, self.model)
