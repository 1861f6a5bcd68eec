"""What the network does to a call: redirects, proxies, floods, headers, kept connections."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fakes import ScriptedModel, fault, raw, text
from fakes.records import model_call
from outlast_local.demo_model.openai_wire import DONE
from outlast_worker.engine.records import ModelFault, ModelRecord
from outlast_worker.models.hearing import Hearing
from outlast_worker.models.http import transport
from outlast_worker.models.keys import Access
from outlast_worker.models.openai_http.api import OpenAiHttpApi
from outlast_worker.settings import Provider
from unit.worker.models.asking import Asker, Client
from unit.worker.models.test_answers import chunk

HI = chunk({"delta": {"content": "Hi."}, "finish_reason": "stop"}) + DONE
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
def client() -> Client:
    """These tests are about the direct client alone."""
    return "direct"


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncGenerator[str]:
    """Serve on a free port of loopback, and return the address."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        scheme = "https" if tls else "http"
        yield f"{scheme}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_redirects_are_refused(ask: Asker) -> None:
    """A key goes nowhere that nobody has set; it is said what to set."""
    elsewhere = ask.server.play("/elsewhere", raw(HI))
    step = fault(307, "moved", headers={"location": f"{ask.server.origin}{elsewhere}"})
    failed = await ask.fault(step)
    assert (failed.error.type, failed.retry_after_s) == ("model-rejected", None)
    assert "set base_url" in failed.error.message
    assert ask.server.count(elsewhere) == 0
    ask.server.forget(elsewhere)


async def test_a_proxy(ask: Asker, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's proxy variables count, with the login that they may have."""
    asked: list[str] = []
    logins: list[str | None] = []

    async def proxy(request: web.Request) -> web.StreamResponse:
        asked.append(str(request.url))
        logins.append(request.headers.get("proxy-authorization"))
        return web.Response(body=HI, content_type="text/event-stream")

    async with serving(proxy) as address:
        monkeypatch.setenv("http_proxy", address.replace("://", "://me:secret@"))
        monkeypatch.setenv("no_proxy", "")
        there = Provider(base_url="http://model.example/v1")
        got = await ask.answer(text("unused"), provider=there)
    assert got.text == "Hi."
    assert asked == ["http://model.example/v1/chat/completions"]
    assert logins == ["Basic bWU6c2VjcmV0"]


async def test_hosts_without_a_proxy(ask: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of one's own is called directly, whatever proxy there is."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert (await ask.answer(text("Hi."))).text == "Hi."


async def test_logins_of_other_programs(
    ask: Asker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `.netrc` has for a provider's host does not get in the way of its key."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert (await ask.answer(text("Hi."))).text == "Hi."


async def test_an_answer_over_the_limit(ask: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood ends the call, and not the worker; packed bytes count as they are unpacked."""
    monkeypatch.setattr(transport, "MAX_ANSWER_BYTES", 1 << 20)
    big = chunk({"delta": {"content": "x" * (1 << 20)}})
    failed = await ask.fault(raw(big + HI))
    assert failed.error.type == "model-malformed"
    assert "larger than 1 MiB" in failed.error.message


async def test_large_headers(ask: Asker) -> None:
    """Gateways tell much in headers."""
    step = raw(HI, headers={"content-type": "text/event-stream", "x-much": "y" * 20_000})
    assert (await ask.answer(step)).text == "Hi."


@pytest.mark.parametrize("url", ["not an address", "http://[::1/v1", f"http://{'a' * 70}.example"])
async def test_no_address(ask: Asker, url: str) -> None:
    """What is no address is not tried for ten minutes."""
    failed = await ask.fault(provider=Provider(base_url=url))
    assert (failed.error.type, failed.retry_after_s) == ("model-rejected", None)
    assert "correct base_url" in failed.error.message


async def test_a_key_that_no_header_can_have(ask: Asker) -> None:
    """It is refused as a wrong one is: another one may do, and it is said what to check."""
    keys = [{"name": "bad", "key": "sk-a\nb"}]
    provider = Provider.model_validate({"base_url": ask.server.url, "keys": keys})
    failed = await ask.fault(text("unused"), provider=provider)
    assert (failed.error.type, failed.retry_after_s) == ("model-auth", None)
    assert "the keys of 'openai'" in failed.error.message
    assert ask.requests == 0


def write_certificate(folder: Path) -> Path:
    """Write a certificate that vouches for itself, and its key, into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "gateway.pem"
    path.write_bytes(certificate.public_bytes(pem) + private)
    return path


@pytest.mark.parametrize("trusted", [True, False])
async def test_certificates(
    ask: Asker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, trusted: bool
) -> None:
    """Those that the machine trusts count, and no other."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=HI, content_type="text/event-stream")

    path = write_certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(path)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
    async with serving(answer, tls) as address:
        outcome = await ask(provider=Provider(base_url=f"{address}/v1"))
    if trusted:
        assert isinstance(outcome, ModelRecord), outcome
    else:
        assert isinstance(outcome, ModelFault)
        assert "certificate" in outcome.error.message.lower()


async def test_connections_are_kept() -> None:
    """An answer that was read to its end leaves its connection to the next call."""
    peers: list[object] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        peers.append(request.transport and request.transport.get_extra_info("peername"))
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(HI)
        await asyncio.sleep(0.01)  # the end comes a little after the last event
        await response.write_eof()
        return response

    async with serving(answer) as address:
        api = OpenAiHttpApi({}, idle_s=10)
        call = model_call()
        for _ in range(3):
            await api.ask(call, Access(f"{address}/v1", {}, "none", None), Hearing())
        await api.close()
    assert len(peers) == 3
    assert len(set(peers)) == 1
