"""What every request shares."""

from dataclasses import dataclass
from typing import Self

from fastapi import Request

from outlast.registry import Registry
from outlast_app.closing import Closing
from outlast_app.keyring import Keyring
from outlast_app.live.source import LiveSource
from outlast_app.restate.admin import Admin
from outlast_app.restate.ingress import Ingress
from outlast_app.runs.listings import Listings
from outlast_app.runs.reader import RunReader
from outlast_app.settings import AppSettings


@dataclass(frozen=True)
class AppParts:
    """The process's long-lived parts, made when it starts."""

    settings: AppSettings
    registry: Registry
    keyring: Keyring
    ingress: Ingress
    admin: Admin
    closing: Closing
    reader: RunReader
    live: LiveSource
    listings: Listings

    @classmethod
    def of(cls, request: Request) -> Self:
        """Return the parts of the app that serves this request."""
        return request.app.state.parts
