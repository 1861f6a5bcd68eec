"""What every request shares."""

from dataclasses import dataclass
from typing import Annotated, Self

from fastapi import Depends, Request

from outlast.registry import Registry
from outlast_app.closing import Closing
from outlast_app.keyring import Keyring
from outlast_app.quotas import Quotas
from outlast_app.runs.actions import RunActions, ThreadActions
from outlast_app.runs.approvals import ApprovalReads
from outlast_app.runs.deletion import Deletion
from outlast_app.runs.follow import RunEvents
from outlast_app.runs.forks import Forks
from outlast_app.runs.inspection import RunInspection
from outlast_app.runs.listings import Listings
from outlast_app.runs.reader import RunReader
from outlast_app.runs.readiness import ReadinessCheck
from outlast_app.runs.results import ClientResults
from outlast_app.runs.start import RunStarter
from outlast_app.runs.thread_life import ThreadLife
from outlast_app.runs.webhooks import WebhookDeliveries
from outlast_app.settings import AppSettings


@dataclass(frozen=True)
class Dependencies:
    """What the process keeps for as long as it lives: all that a route, of any interface, calls."""

    settings: AppSettings
    registry: Registry
    keyring: Keyring
    quotas: Quotas
    closing: Closing
    starter: RunStarter
    forks: Forks
    reader: RunReader
    events: RunEvents
    approvals: ApprovalReads
    inspection: RunInspection
    runs: RunActions
    results: ClientResults
    webhooks: WebhookDeliveries
    threads: ThreadActions
    thread_life: ThreadLife
    deletion: Deletion
    listings: Listings
    readiness: ReadinessCheck

    @classmethod
    def of(cls, request: Request) -> Self:
        """Return those of the app that serves this request."""
        return request.app.state.dependencies


# Not a plain `def`: FastAPI calls those in a thread of their own.
async def _dependencies(request: Request) -> Dependencies:
    return Dependencies.of(request)


Deps = Annotated[Dependencies, Depends(_dependencies)]
