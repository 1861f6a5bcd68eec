"""One request to a webhook: signed, to nobody who may not be told, and never an exception."""

import asyncio
import base64
import hashlib
import hmac
import socket
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from fakes.receiver import Receiver, Says
from fakes.records import NOON
from outlast.hosts import Authority, parse_authority
from outlast.names import RunRef
from outlast.protocol import Run, Webhook, WebhookData, WebhookEvent
from outlast.webhooks import WebhookPolicy
from outlast_worker.webhooks import sender as sending
from outlast_worker.webhooks.records import Attempt
from outlast_worker.webhooks.sender import WebhookSender

RUN = RunRef("acme", f"support.{'a' * 26}")
DAY = timedelta(days=1)
KEYS = [bytes(range(32)), bytes(range(1, 33))]
SECRETS = [SecretStr(f"whsec_{base64.b64encode(key).decode()}") for key in KEYS]
EVENT = WebhookEvent(
    id=f"msg_{'b' * 26}",
    type="run.ended",
    timestamp=NOON,
    data=WebhookData(run=Run(run_id=RUN.run_id, agent="support", status="completed", output="ü")),
)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver.start() as receiver:
        yield receiver


def policy(*private: str, hosts: tuple[str, ...] = ()) -> WebhookPolicy:
    found = [parse_authority(host) for host in private]
    allowed = [host for host in found if host]
    return WebhookPolicy([Authority(host, None) for host in hosts], allowed, {"main": SECRETS})


async def send(
    url: str,
    known: WebhookPolicy,
    attempt: int = 1,
    secret: str = "main",
    now: datetime = NOON,
) -> Attempt:
    sender = WebhookSender(known, DAY, clock=lambda: now)
    webhook = Webhook(url=url, secret=secret)
    return await sender.send(RUN, webhook, EVENT, attempt, NOON)


async def told(receiver: Receiver, key: str, *answers: Says, **more: Any) -> Attempt:
    receiver.script(key, *answers)
    return await send(receiver.url(key), policy(receiver.host), **more)


async def test_what_a_receiver_gets(receiver: Receiver) -> None:
    """The event as JSON, with the headers of Standard Webhooks: each secret signs."""
    tried = await told(receiver, "k")
    assert tried == Attempt(at=NOON, outcome="delivered", status=204)
    [request] = receiver.received("k")
    assert WebhookEvent.model_validate_json(request.body) == EVENT
    assert request.event["data"]["run"]["error"] is None  # as clients see it
    at = str(int(NOON.timestamp()))
    assert (request.headers["webhook-id"], request.headers["webhook-timestamp"]) == (EVENT.id, at)
    signed = b".".join([EVENT.id.encode(), at.encode(), request.body])
    digests = [hmac.new(key, signed, hashlib.sha256).digest() for key in KEYS]
    signatures = [f"v1,{base64.b64encode(digest).decode()}" for digest in digests]
    assert request.headers["webhook-signature"].split(" ") == signatures


def test_the_signature_of_the_specification() -> None:
    """The example of those who wrote it, with the secret of their libraries' tests."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = sending.sign(
        [key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 500, 502])
async def test_answers_that_are_none(receiver: Receiver, status: int) -> None:
    """Whatever is not a 2xx is tried again; nobody follows a redirect."""
    elsewhere = {"location": receiver.url("elsewhere")}
    tried = await told(receiver, "k", Says(status, elsewhere))
    assert (tried.outcome, tried.status, tried.error) == ("failed", status, f"answered {status}")
    assert 1 <= (tried.retry_in_s or 0) <= 1.2
    assert not receiver.received("elsewhere")


async def test_gone(receiver: Receiver) -> None:
    """410 ends it."""
    tried = await told(receiver, "k", Says(410))
    assert (tried.outcome, tried.retry_in_s) == ("gone", None)


async def test_a_receiver_that_says_when(receiver: Receiver) -> None:
    """It is heeded with 429 and 503, for up to an hour."""
    for status, asked, least in ((503, "60", 60), (429, "99999999", 3600), (500, "60", 1)):
        tried = await told(receiver, "k", Says(status, {"retry-after": asked}))
        assert least <= (tried.retry_in_s or 0) <= least * 1.2


async def test_longer_and_longer(receiver: Receiver) -> None:
    """The waits grow up to an hour."""
    waits = [
        (await told(receiver, "k", Says(500), attempt=attempt)).retry_in_s or 0
        for attempt in (1, 2, 3, 8, 9, 30, 10_000)
    ]
    for wait, least in zip(waits, [1, 3, 9, 2187, 3600, 3600, 3600], strict=True):
        assert least <= wait <= least * 1.2


async def test_the_end_of_a_day(receiver: Receiver) -> None:
    """It is tried once more when the time is over, and no more after that."""
    late = NOON + DAY - timedelta(seconds=10)
    tried = await told(receiver, "k", Says(500), attempt=30, now=late)
    assert tried.retry_in_s == 10
    tried = await told(receiver, "k", Says(500), attempt=31, now=NOON + DAY)
    assert (tried.outcome, tried.retry_in_s) == ("failed", None)


async def test_a_receiver_that_hangs(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for a short time only."""
    monkeypatch.setattr(sending, "_TIMEOUT_S", 0.2)
    held = threading.Event()
    tried = await told(receiver, "k", Says(held=held))
    held.set()
    assert (tried.outcome, tried.error) == ("failed", "did not answer within 0 s")


async def test_a_receiver_that_breaks_off(receiver: Receiver) -> None:
    """What came of it nobody knows, so it comes again."""
    tried = await told(receiver, "k", Says(cut=True))
    assert tried.error == "gave no answer that is one (ServerDisconnectedError)"


async def test_an_endless_answer(receiver: Receiver) -> None:
    """The body of the answer is not read: its status is all that counts."""
    tried = await told(receiver, "k", Says(200, {"content-length": str(10**12)}))
    assert tried.outcome == "delivered"


async def test_an_endless_header() -> None:
    """A header without end is no answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def flood() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nx: " + b"x" * 100_000 + b"\r\n\r\n")

        host = f"127.0.0.1:{server.getsockname()[1]}"
        _, tried = await asyncio.gather(
            asyncio.to_thread(flood), send(f"http://{host}/", policy(host))
        )
    assert (tried.outcome, tried.status) == ("failed", None)


async def test_nobody_there() -> None:
    """A connection that is refused is tried again; the text has no address in it."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{bound.getsockname()[1]}"
        tried = await send(f"http://{host}/", policy(host))
    assert (tried.outcome, tried.error) == ("failed", "can't be reached")


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1"])
async def test_a_name_that_leads_inside(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """What counts is the address that is connected to, whatever the name was when it was let in."""

    async def resolve(*_args: Any, **_more: Any) -> list[Any]:
        is_six = ":" in address
        where = (address, 443, 0, 0) if is_six else (address, 443)
        family = socket.AF_INET6 if is_six else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", where)]

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "getaddrinfo", resolve)
    tried = await send("https://hooks.example.org/", policy(hosts=("hooks.example.org",)))
    assert tried.outcome == "failed"
    assert "leads to an address that is not public" in (tried.error or "")
    assert "127.0.0.1" not in (tried.error or "")


@pytest.mark.parametrize(
    ("url", "secret", "error"),
    [
        ("https://hooks.example.org/", "other", "WEBHOOK_SECRETS has no secret other any more"),
        ("https://elsewhere.example/", "main", "may not be told any more: elsewhere.example:443"),
        ("http://hooks.example.org/", "main", "may not be told any more: must begin with https:"),
        ("https://[::1]/", "main", "may not be told any more: ::1:443 is not in"),
    ],
)
async def test_settings_that_have_changed(url: str, secret: str, error: str) -> None:
    """What may not be told any more is not; an operator may change that within the day."""
    tried = await send(url, policy(hosts=("hooks.example.org",)), secret=secret)
    assert (tried.outcome, tried.status) == ("failed", None)
    assert (tried.error or "").startswith(error)
    assert tried.retry_in_s


async def test_an_address_of_the_settings(receiver: Receiver) -> None:
    """An IP address that is named as public is looked at, too."""
    known = WebhookPolicy([Authority("127.0.0.1", receiver.port)], [], {"main": SECRETS})
    tried = await send(f"https://{receiver.host}/k", known)
    assert "leads to an address that is not public" in (tried.error or "")
    assert not receiver.received("k")


async def test_a_proxy_of_the_environment(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else makes the connection: it would not look at the address."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert (await told(receiver, "k")).outcome == "delivered"


async def test_a_fault_of_ours(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that raises is repeated for ever; this one never does."""

    def broken(*_args: Any) -> str:
        raise RuntimeError("secret-1")

    monkeypatch.setattr(sending, "sign", broken)
    tried = await told(receiver, "k")
    assert (tried.outcome, tried.error) == ("failed", "failed in the worker, whose log says more")


async def test_secrets_are_not_logged(
    receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither what signs, nor what is said, nor a path that may be secret."""
    await told(receiver, "private-path", Says(500))
    shown = capsys.readouterr()
    for hidden in ("whsec_", "private-path", "ü"):
        assert hidden not in shown.out + shown.err
