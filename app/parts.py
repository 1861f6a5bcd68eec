"""What every request shares."""

from dataclasses import dataclass
from typing import Self

from fastapi import Request

from app.admin import Admin
from app.closing import Closing
from app.ingress import Ingress
from app.keyring import Keyring
from app.listings import Listings
from app.live import LiveSource
from app.runs import RunReader
from app.settings import AppSettings
from shared.registry import Registry


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
