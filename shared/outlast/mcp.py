"""MCP servers whose tools an agent may call. A declaration: only the worker speaks to them."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase
from types import NoneType
from typing import Any, get_args
from urllib.parse import urlsplit

from outlast.effects import Effect
from outlast.errors import DefinitionError
from outlast.tool import DEFAULT_TIMEOUT

Secrets = Mapping[str, str]
Credentials = Callable[[str, Mapping[str, str]], Secrets | Awaitable[Secrets]]
"""Takes a run's tenant and metadata; gives headers (of a URL) or variables (of a command)."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_PREFIX = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,31}|")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_KINDS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "command": ((list, tuple, NoneType), 'a list, such as ["uvx", "mcp-server-time"]'),
    "url": ((str, NoneType), "a text, such as https://example.org/mcp"),
    "env": ((Mapping,), 'a dict, such as {"CRM_TOKEN": "${CRM_TOKEN}"}'),
    "headers": ((Mapping,), 'a dict, such as {"Authorization": "Bearer ${CRM_TOKEN}"}'),
    "tools": ((list, tuple, NoneType), 'a list of patterns, such as ["read_*"]'),
    "needs_approval": ((bool, list, tuple), 'True, or a list of patterns, such as ["delete_*"]'),
    "effects": ((Mapping,), 'a dict of patterns, such as {"search_*": "read"}'),
    "deferred": ((bool, list, tuple, NoneType), 'True, or a list of patterns, such as ["list_*"]'),
    "prefix": ((str,), "a text"),
    "timeout": ((timedelta,), "a timedelta"),
    "approval_timeout": ((timedelta, NoneType), "a timedelta"),
    "required": ((bool,), "True or False"),
    "elicitation": ((bool,), "True or False"),
}


@dataclass(frozen=True, eq=False)
class McpServer:
    """A server of the Model Context Protocol, over stdio (`command`) or streamable HTTP (`url`).

    Nothing of it comes from a caller. What is secret comes from the worker's environment, as
    `${NAME}`, or from `credentials`, when a session is opened; it is never journaled or logged.

    Args:
        name: For logs and errors, and to tell servers apart: lower-case letters, digits, `-`, `_`.
        command: Started by the worker, with `env` and a few harmless variables of its own.
        url: Where the server is.
        env: Variables of the command.
        headers: Sent with each request to the URL.
        credentials: Called with a run's tenant and metadata; what it gives joins `headers` or
            `env`. Runs that get the same share sessions.
        tools: Patterns (`*`, `?`) of the server's tools that the agent gets; all if None.
        prefix: Put before the tools' names.
        needs_approval: Whether a person must approve each call, or patterns of tools of which.
        approval_timeout: As of `@tool`.
        effects: What a crash in the middle of a call means, by patterns of tools, as of `@tool`.
            Without one the server's own hints count: `read` if it only reads, `idempotent` if it
            says so, else `once`.
        deferred: Whether the model is told of its tools only when it has searched for such ones,
            or patterns of those of which it is; as the agent's `search_tools` says if not given.
        timeout: Of one call, which is then cancelled at the server.
        required: Whether a run fails when the server can't be reached. If not, it goes without.
        elicitation: Whether the server may ask people for something in the middle of a call, for
            which the run then waits. Calls side by side may need a session each: most servers
            don't say which call asks.

    Raises:
        DefinitionError: Something can't work; the message says how to mend it.
    """

    name: str
    _: KW_ONLY
    command: Sequence[str] | None = None
    url: str | None = None
    env: Secrets = field(default_factory=dict[str, str], repr=False)
    headers: Secrets = field(default_factory=dict[str, str], repr=False)
    credentials: Credentials | None = field(default=None, repr=False)
    tools: Sequence[str] | None = None
    prefix: str = ""
    needs_approval: bool | Sequence[str] = False
    approval_timeout: timedelta | None = None
    effects: Mapping[str, Effect] = field(default_factory=dict[str, Effect])
    deferred: bool | Sequence[str] | None = None
    timeout: timedelta = DEFAULT_TIMEOUT
    required: bool = True
    elicitation: bool = False

    def __post_init__(self) -> None:
        """Check the declaration, when the agent's file is imported."""
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):  # pyright: ignore[reportUnnecessaryIsInstance]  # authors are not type-checked
            raise DefinitionError(
                f"MCP server {self.name!r}: a name has lower-case letters, digits, - and _, at "
                "most 32 of them"
            )
        for name, (kinds, wanted) in _KINDS.items():
            value = getattr(self, name)
            if not isinstance(value, kinds):
                raise self._refusal(f"{name} is {value!r}; it must be {wanted}")
        self._check_address()
        self._check_patterns()
        if self.timeout <= timedelta(0):
            raise self._refusal("timeout must be more than nothing")

    def _check_address(self) -> None:
        if (self.command is None) == (self.url is None):
            raise self._refusal(
                "it needs either a command, which the worker starts, or a url, where it is"
            )
        if self.command is not None and (
            not self.command or not all(isinstance(part, str) for part in self.command)  # pyright: ignore[reportUnnecessaryIsInstance]  # authors are not type-checked
        ):
            raise self._refusal('command is a list of texts, such as ["uvx", "mcp-server-time"]')
        if self.url is not None and (
            urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).hostname
        ):
            raise self._refusal(f"url is {self.url!r}; write https://… or http://…")
        unused, why = ("headers", "a command") if self.command else ("env", "a url")
        if getattr(self, unused):
            raise self._refusal(f"{unused} means nothing with {why}")

    def _check_patterns(self) -> None:
        if not _PREFIX.fullmatch(self.prefix):
            raise self._refusal(
                f"prefix is {self.prefix!r}; it may have letters, digits, _ and -, at most 32"
            )
        for effect in self.effects.values():
            if effect not in get_args(Effect):
                allowed = ", ".join(repr(known) for known in get_args(Effect))
                raise self._refusal(f"an effect is {effect!r}; it must be one of {allowed}")

    def _refusal(self, why: str) -> DefinitionError:
        return DefinitionError(f"MCP server {self.name}: {why}")

    def offers(self, tool: str) -> bool:
        """Tell whether the agent gets a tool of the server."""
        return self.tools is None or _matches(tool, self.tools)

    def asks_before(self, tool: str) -> bool:
        """Tell whether a person must approve calls of a tool of the server."""
        if isinstance(self.needs_approval, bool):
            return self.needs_approval
        return _matches(tool, self.needs_approval)

    def defers(self, tool: str) -> bool | None:
        """Tell whether a tool of the server has to be searched for; None if nobody says."""
        if self.deferred is None or isinstance(self.deferred, bool):
            return self.deferred
        return _matches(tool, self.deferred)

    def effect_of(self, tool: str) -> Effect | None:
        """Return the effect that the author says a tool of the server has, if they do."""
        return next(
            (effect for pattern, effect in self.effects.items() if fnmatchcase(tool, pattern)), None
        )

    def describe(self) -> dict[str, Any]:
        """Return what makes the server what it is, without what is secret."""
        return {
            "name": self.name,
            "command": self.command and list(self.command),
            "url": self.url,
            "env": dict(self.env),
            "headers": dict(self.headers),
            "tools": self.tools and list(self.tools),
            "prefix": self.prefix,
            "needs_approval": self.needs_approval
            if isinstance(self.needs_approval, bool)
            else list(self.needs_approval),
            "approval_timeout_s": self.approval_timeout and self.approval_timeout.total_seconds(),
            "effects": dict(self.effects),
            "deferred": self.deferred
            if self.deferred is None or isinstance(self.deferred, bool)
            else list(self.deferred),
            "timeout_s": self.timeout.total_seconds(),
            "required": self.required,
            "elicitation": self.elicitation,
        }


def fill_in(template: str, variables: Mapping[str, str]) -> str:
    """Put variables in place of each `${NAME}`.

    Raises:
        KeyError: One is not there, or empty.
    """

    def value_of(match: re.Match[str]) -> str:
        if not (value := variables.get(match[1])):
            raise KeyError(match[1])
        return value

    return _VARIABLE.sub(value_of, template)


def _matches(tool: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(tool, pattern) for pattern in patterns)
