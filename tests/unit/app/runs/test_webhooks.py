"""Who may be told of a run by webhooks, and what is said of it."""

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from pydantic import SecretStr

from fakes.orders import order
from fakes.records import NOON
from outlast.contract import RedeliverOrder
from outlast.errors import InvalidRequest, UnknownDelivery
from outlast.hosts import Authority
from outlast.names import RunRef, WebhookRef
from outlast.protocol import Delivery, Run, Webhook, WebhookEventType
from outlast.webhooks import WebhookPolicy
from outlast_app.runs.webhooks import WebhookDeliveries, check_webhooks

REF = RunRef("acme", f"support.{'a' * 26}")
SECRET = SecretStr("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
POLICY = WebhookPolicy([Authority("a.example", None)], [], {"all": [SECRET], "acme/own": [SECRET]})


def webhook(url: str = "https://a.example/x", secret: str = "all") -> Webhook:
    return Webhook(url=url, secret=secret)


@dataclass
class Told:
    """Ingress and reader of a run with these webhooks."""

    run: Run
    deliveries_of: dict[int, list[Delivery]] = field(default_factory=dict[int, list[Delivery]])
    done: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])

    async def read(self, _ref: RunRef, *, messages: bool) -> Run:
        assert not messages
        return self.run

    async def deliveries(self, ref: WebhookRef) -> list[Delivery]:
        assert ref.run == REF
        return self.deliveries_of[ref.place]

    async def redeliver(self, ref: WebhookRef, order: RedeliverOrder) -> None:
        self.done.append((order.id, ref.place))

    async def forget_webhook(self, ref: WebhookRef) -> None:
        self.done.append(("forget", ref.place))


def delivery(name: str, after_s: int, event: WebhookEventType = "run.waiting") -> Delivery:
    happened_at = NOON + timedelta(seconds=after_s)
    return Delivery(id=name, event=event, url="https://a.example/x", happened_at=happened_at)


def told(*deliveries: list[Delivery]) -> tuple[Told, WebhookDeliveries]:
    run = Run(
        run_id=REF.run_id,
        agent="support",
        status="running",
        webhooks=[webhook() for _ in deliveries] or None,
    )
    behind = Told(run, dict(enumerate(deliveries)))
    return behind, WebhookDeliveries(behind, behind)  # pyright: ignore[reportArgumentType]


def test_webhooks_that_may_be_told() -> None:
    """A tenant uses the secrets that all share, and its own."""
    check_webhooks(POLICY, order(tenant="acme", webhooks=[webhook(), webhook(secret="own")]))
    check_webhooks(POLICY, order(tenant="acme"))


@pytest.mark.parametrize(
    ("tenant", "given", "field", "what"),
    [
        ("acme", webhook("https://b.example/"), "url", "not in WEBHOOK_HOSTS"),
        ("acme", webhook(secret="none"), "secret", "no secret 'none' in WEBHOOK_SECRETS"),
        ("other", webhook(secret="own"), "secret", "no secret 'own' in WEBHOOK_SECRETS"),
    ],
)
def test_webhooks_that_may_not(tenant: str, given: Webhook, field: str, what: str) -> None:
    """They are refused by their fields; another tenant's secret is none."""
    with pytest.raises(InvalidRequest, match=what) as refused:
        check_webhooks(POLICY, order(tenant=tenant, webhooks=[webhook(), given]))
    assert refused.value.extra["errors"][0]["field"] == f"body.webhooks.1.{field}"


async def test_deliveries() -> None:
    """Those of all webhooks, in the order in which things happened; the end is last."""
    ended = delivery("c", 5, "run.ended")
    _, deliveries = told([ended, delivery("b", 5), delivery("a", 1)], [delivery("d", 3)])
    assert [each.id for each in (await deliveries.read(REF)).items] == ["a", "d", "b", "c"]


async def test_a_run_without_webhooks() -> None:
    """It has no deliveries, and nobody is asked."""
    behind, deliveries = told()
    assert (await deliveries.read(REF)).items == []
    await deliveries.forget(REF, behind.run)
    assert behind.done == []


async def test_again() -> None:
    """The webhook is told again whose delivery it is."""
    behind, deliveries = told([delivery("a", 1)], [delivery("b", 1)])
    assert (await deliveries.redeliver(REF, "b")).status == "pending"
    assert behind.done == [("b", 1)]
    with pytest.raises(UnknownDelivery, match=REF.run_id):
        await deliveries.redeliver(REF, "c")
    await deliveries.forget(REF, behind.run)
    assert behind.done[1:] == [("forget", 0), ("forget", 1)]
