"""Calls of the HTTP interface. Events come from `stream.py`."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from http import HTTPStatus
from typing import Any, Literal, Self, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx
from pydantic import BaseModel, SecretStr, ValidationError

from outlast.hosts import is_loopback
from outlast.protocol import AgentPage, ApprovalPage, CallPage, MessagePage, RunPage, ThreadPage
from outlast_cli.errors import BadSetting, Refused, Unreachable
from outlast_cli.patience import Patience
from outlast_cli.program import outlast
from outlast_cli.settings import KEY, URL

_LONGEST_PAGE = 100
# A stream has a comment every 15 s; silence for longer is a broken connection.
_TIMEOUT_S = 45.0
_CONNECT_TIMEOUT_S = 5.0
_HURRIED_TIMEOUT_S = 5.0
_REPEAT_FOR_S = 10.0
_NO_ANSWER = (httpx.ConnectError, httpx.ConnectTimeout)

Wanted = TypeVar("Wanted", bound=BaseModel)
Parameter = str | Sequence[str]
Page = TypeVar("Page", AgentPage, RunPage, ThreadPage, MessagePage, ApprovalPage, CallPage)


class Client:
    """The app, as one key may use it."""

    def __init__(self, url: str, key: SecretStr, timeout_s: float = _TIMEOUT_S) -> None:
        """Prepare, and connect to nobody.

        Raises:
            BadSetting: The address or the key can't work.
        """
        self.url = _checked(url)
        self._key = key
        self.http = httpx.Client(
            base_url=self.url,
            headers={"Content-Type": "application/json", **_authorization(key)},
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_TIMEOUT_S)),
            trust_env=not is_loopback(httpx.URL(self.url).host),
        )

    @cached_property
    def hurried(self) -> Self:
        """The same with connections of its own, for whoever can do without an answer.

        Nobody closes it: its questions may be on their way when the command ends.
        """
        return type(self)(self.url, self._key, _HURRIED_TIMEOUT_S)

    def get(self, kind: type[Wanted], *parts: str, **params: Parameter) -> Wanted:
        """Read one thing."""
        return self._call("GET", kind, parts, params=params)

    def pages(
        self, kind: type[Page], *parts: str, limit: int | None = None, **params: Parameter
    ) -> Page:
        """Read a list, page by page, up to a limit."""
        items: list[Any] = []
        while True:
            left = _LONGEST_PAGE if limit is None else min(limit - len(items), _LONGEST_PAGE)
            page = self.get(kind, *parts, **params, limit=str(left))
            items += page.items
            if page.next_cursor is None or len(items) == limit:
                return kind(items=items, next_cursor=page.next_cursor)
            params["cursor"] = page.next_cursor

    def lines(self, accept: str, *parts: str, **params: str) -> Iterator[str]:
        """Read an answer line by line, as it comes."""
        headers = {"Accept": accept}
        try:
            with self.http.stream("GET", as_path(*parts), params=params, headers=headers) as answer:
                if not answer.is_success:
                    raise self.refused(answer)
                yield from answer.iter_lines()
        except httpx.RequestError as error:
            raise self.unreachable(error) from error

    def post(
        self,
        kind: type[Wanted],
        *parts: str,
        body: BaseModel | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Wanted:
        """Ask for a change, again while an answer leaves open whether it was made."""
        patience = Patience(_REPEAT_FOR_S)
        headers = {"Idempotency-Key": uuid4().hex, **(headers or {})}
        while True:
            try:
                content = as_content(body)
                return self._call(
                    "POST", kind, parts, content=content, params=query, headers=headers
                )
            except (Refused, Unreachable) as error:
                patience.wait(error)

    def patch(self, kind: type[Wanted], *parts: str, body: BaseModel) -> Wanted:
        """Ask for a change that is the same when it is asked for twice; again as `post` does."""
        patience = Patience(_REPEAT_FOR_S)
        content = body.model_dump_json(exclude_unset=True)
        while True:
            try:
                return self._call("PATCH", kind, parts, content=content)
            except (Refused, Unreachable) as error:
                patience.wait(error)

    def delete(self, *parts: str, **params: Parameter) -> None:
        """Have something forgotten."""
        try:
            response = self.http.request("DELETE", as_path(*parts), params=params)
        except httpx.RequestError as error:
            raise self.unreachable(error) from error
        if not response.is_success:
            raise self.refused(response)

    def refused(self, response: httpx.Response) -> Refused:
        """Return what an answer says that is no success."""
        response.read()
        try:
            document = response.json()
            said = f"{document['title']}. {document['detail']}"
        except (ValueError, LookupError, TypeError):
            said = f"{self.url} answered {response.status_code} {response.reason_phrase}."
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            said += f" This command takes it from {KEY}."
        asked = response.headers.get("retry-after", "")
        return Refused(said, response.status_code, float(asked) if asked.isdecimal() else 0)

    def unreachable(self, error: httpx.RequestError) -> Unreachable:
        """Return what a connection that broke, or was never made, means."""
        is_there = not isinstance(error, _NO_ANSWER)
        here = not is_there and is_loopback(httpx.URL(self.url).host)
        start = f"`{outlast('dev')}` or `{outlast('up')}` starts an app here; " if here else ""
        said = (
            f"No answer from {self.url}: {error or type(error).__name__}. {start}{URL} says where."
        )
        return Unreachable(said, passes=is_there)

    def _call(
        self,
        method: Literal["GET", "POST", "PATCH"],
        kind: type[Wanted],
        parts: tuple[str, ...],
        **more: Any,
    ) -> Wanted:
        try:
            response = self.http.request(method, as_path(*parts), **more)
        except httpx.RequestError as error:
            raise self.unreachable(error) from error
        if not response.is_success:
            raise self.refused(response)
        try:
            return kind.model_validate_json(response.content)
        except ValidationError as error:
            said = f"{self.url} answered what this command does not understand: {error}"
            raise Refused(said, response.status_code) from error


def as_path(*parts: str) -> str:
    """Return a path of the interface; names and ids can't change its shape."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def as_content(body: BaseModel | None) -> str | None:
    """Return a body as JSON, without what the server assumes anyway."""
    return body.model_dump_json(exclude_defaults=True) if body else None


def is_header_value(text: str) -> bool:
    """Tell whether a header can carry a text as it is."""
    return text.isascii() and text.isprintable()


def _checked(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise BadSetting(f"{URL}: {url!r} is not an address: {error}.") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise BadSetting(f"{URL}: {url!r} is not an address; write http://host:port.")
    return url.rstrip("/")


def _authorization(key: SecretStr) -> Mapping[str, str]:
    text = key.get_secret_value().strip()
    if not is_header_value(text):
        raise BadSetting(f"{KEY}: the key has characters that no header can carry.")
    return {"Authorization": f"Bearer {text}"} if text else {}
