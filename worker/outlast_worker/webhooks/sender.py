"""Tells a webhook of an event: one signed request, as Standard Webhooks describes it.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import asyncio
import base64
import hashlib
import hmac
import random
import ssl
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property

import aiohttp

from outlast.logging import get_logger
from outlast.names import RunRef
from outlast.protocol import Time, Webhook, WebhookEvent
from outlast.webhooks import Destination, WebhookPolicy, parse_destination
from outlast_worker.webhooks.addresses import NotPublic, any_socket, public_socket
from outlast_worker.webhooks.records import Attempt

GONE = 410
_TIMEOUT_S = 15.0
_FIRST_DELAY_S = 1.0
_GROWTH = 3.0
_LONGEST_DELAY_S = 3600.0
# So that receivers that were away don't hear of all at once.
_SPREAD = 0.2
_MAY_SAY_WHEN = frozenset({429, 503})
_logger = get_logger()


class WebhookSender:
    """Sends, and says what came of it. It raises nothing: a step that does is repeated."""

    def __init__(
        self,
        policy: WebhookPolicy,
        retry_for: timedelta,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Know the settings.

        Args:
            policy: Who may be told, and how it is signed.
            retry_for: For how long an event is tried.
            clock: Tells the time.
        """
        self._policy = policy
        self._retry_for = retry_for
        self._clock = clock

    async def send(
        self, run: RunRef, webhook: Webhook, event: WebhookEvent, attempt: int, since: Time
    ) -> Attempt:
        """Try once.

        Args:
            run: Whose event it is.
            webhook: Who is told.
            event: Of what.
            attempt: Which attempt it is, counted from 1.
            since: From when on it is tried.
        """
        log = _logger.bind(
            run_id=run.run_id, webhook_id=event.id, event_type=event.type, attempt=attempt
        )
        status: int | None = None
        error: str | None = None
        asked_s: float | None = None
        try:
            status, asked_s = await self._post(run.tenant, webhook, event)
        except _Refused as refused:
            error = str(refused)
        except TimeoutError:
            error = f"did not answer within {_TIMEOUT_S:.0f} s"
        except (aiohttp.ClientError, OSError) as failed:
            error = _in_words(failed)
            log.info("webhook_not_reached", reason=str(failed))
        except Exception as failed:  # a fault of ours: the run's others go on
            error = "failed in the worker, whose log says more"
            log.exception("webhook_broken", exc_info=failed)
        at = self._clock()
        if status is not None and 200 <= status < 300:
            log.info("webhook_delivered", status=status)
            return Attempt(at=at, outcome="delivered", status=status)
        error = error or f"answered {status}"
        if status == GONE:
            log.warning("webhook_gone", effect="it is told of nothing more of this run")
            return Attempt(at=at, outcome="gone", status=status, error=error)
        delay_s = self._delay_s(attempt, asked_s, since + self._retry_for - at)
        if delay_s is None:
            log.error("webhook_given_up", reason=error, fix=f"outlast redeliver {run.run_id}")
        else:
            log.warning("webhook_failed", reason=error, retry_in_s=round(delay_s))
        return Attempt(at=at, outcome="failed", status=status, error=error, retry_in_s=delay_s)

    async def _post(
        self, tenant: str, webhook: Webhook, event: WebhookEvent
    ) -> tuple[int, float | None]:
        """Send the request; return the answer's status, and for how long it asks to wait.

        Raises:
            _Refused: It may not be sent.
            TimeoutError: There was no answer in time.
            aiohttp.ClientError: Nobody is there, or nobody who speaks HTTP.
        """
        keys = self._policy.keys(tenant, webhook.secret)
        if not keys:
            raise _Refused(f"WEBHOOK_SECRETS has no secret {webhook.secret} any more")
        destination = self._destination(webhook.url)
        body = event.model_dump_json().encode()
        sent_at = int(self._clock().timestamp())
        headers = {
            "content-type": "application/json",
            "user-agent": "outlast",
            "webhook-id": event.id,
            "webhook-timestamp": str(sent_at),
            "webhook-signature": sign(keys, event.id, sent_at, body),
        }
        make_socket = any_socket if self._policy.is_private(destination) else public_socket
        connector = aiohttp.TCPConnector(
            ssl=self._tls, socket_factory=make_socket, force_close=True, use_dns_cache=False
        )
        # No proxy of the environment's: it would resolve the name, and connect, itself.
        session = aiohttp.ClientSession(
            connector=connector, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()
        )
        # The answer's body is not read: there is nothing in it that counts.
        async with (
            asyncio.timeout(_TIMEOUT_S),
            session,
            session.post(webhook.url, data=body, headers=headers, allow_redirects=False) as answer,
        ):
            asked = answer.headers.get("retry-after", "")
            asks = answer.status in _MAY_SAY_WHEN and asked.isdecimal()
            return answer.status, float(asked[:6]) if asks else None

    def _destination(self, url: str) -> Destination:
        fault, destination = self._policy.fault_of(url), parse_destination(url)
        if fault or destination is None:  # it was let in when other settings counted
            raise _Refused(f"may not be told any more: {fault}")
        return destination

    def _delay_s(self, attempt: int, asked_s: float | None, left: timedelta) -> float | None:
        """Return when to try again; None if no time is left."""
        left_s = left.total_seconds()
        if left_s <= 0:
            return None
        delay_s = min(_FIRST_DELAY_S * _GROWTH ** min(attempt - 1, 10), _LONGEST_DELAY_S)
        delay_s = max(delay_s, min(asked_s or 0, _LONGEST_DELAY_S))
        delay_s *= 1 + random.uniform(0, _SPREAD)  # noqa: S311  # nobody gains by guessing it
        return min(delay_s, left_s)  # once more when the time is over

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()


class _Refused(Exception):
    """The settings do not let the request be sent."""


def sign(keys: Sequence[bytes], event_id: str, at_s: int, body: bytes) -> str:
    """Return the header by which a receiver knows who has sent a body, and when."""
    signed = f"{event_id}.{at_s}.".encode() + body
    digests = [hmac.digest(key, signed, hashlib.sha256) for key in keys]
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


def _in_words(error: Exception) -> str:
    """Say why there was no answer, without addresses: callers read it."""
    cause = getattr(error, "os_error", error)
    if isinstance(cause, NotPublic):
        return (
            "leads to an address that is not public; an operator may name it with its port in "
            "WEBHOOK_PRIVATE_HOSTS"
        )
    match error:
        case aiohttp.ClientSSLError():
            return "has no TLS certificate that can be trusted for this name"
        case aiohttp.ClientConnectorDNSError():
            return "has a name that leads nowhere"
        case aiohttp.ClientConnectorError():
            return "can't be reached"
        case _:
            return f"gave no answer that is one ({type(error).__name__})"
