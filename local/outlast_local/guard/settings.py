"""The guard's settings, from the environment and `.env`; its doors are arguments."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from outlast.hosts import HostNames, parse_authority, split_at_commas
from outlast.settings import LogLevel
from outlast.settings_errors import FromJson


def _origin(origin: str) -> str:
    scheme, _, rest = origin.rstrip("/").partition("://")
    if scheme not in {"http", "https"} or parse_authority(rest) is None:
        raise ValueError("must be an origin such as https://example.org")
    return origin.rstrip("/")


class GuardSettings(BaseSettings):
    """`GUARD_*`, and how to log."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_prefix="GUARD_",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    public_hosts: HostNames = Field(
        default_factory=list[str], examples=["devbox.example.org,10.0.0.7"]
    )
    """Names beside loopback's under which Restate may be called, separated by commas."""
    public_ports: Annotated[
        list[Annotated[int, Field(ge=1, le=65535)]], NoDecode, BeforeValidator(split_at_commas)
    ] = Field(default_factory=list[int], examples=["8080,9070"])
    """Ports that lead to those where the guard listens, such as a container's published ones."""
    cors_origins: FromJson[list[Annotated[str, AfterValidator(_origin)]]] = Field(
        default_factory=list[str], examples=['["https://example.org"]']
    )
    """Web pages beside Restate's UI that may do anything at Restate."""
    log_level: LogLevel = Field(default="INFO", validation_alias="LOG_LEVEL")
    log_json: bool | None = Field(default=None, validation_alias="LOG_JSON")
