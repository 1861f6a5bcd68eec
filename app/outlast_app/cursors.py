"""Where the next page of a listing goes on."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, Self

from outlast.errors import InvalidRequest

Listing = Literal["runs", "threads", "approvals", "calls"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Fifteen digits of microseconds reach the year 2001, sixteen 2286; Restate's clock ends in 2262.
_CURSOR = re.compile(r"(runs|threads|approvals|calls) ([0-8]?[0-9]{1,15}) ([A-Za-z0-9._:-]{1,256})")
_POSITION = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True, order=True)
class Cursor:
    """The last item of a page: its time, and its name among those of the same time.

    What comes later is found by comparing, not by counting, so new items move nothing.
    """

    listing: Listing
    at: datetime
    name: str

    @classmethod
    def read(cls, text: str | None, listing: Listing) -> Self | None:
        """Read what a client sends.

        Raises:
            InvalidRequest: It is not a `next_cursor` of this listing.
        """
        if text is None:
            return None
        try:
            match = _CURSOR.fullmatch(urlsafe_b64decode(text + "==").decode())
        except ValueError:
            match = None
        if match is None or match[1] != listing:
            raise _wrong()
        return cls(listing, _EPOCH + timedelta(microseconds=int(match[2])), match[3])

    def write(self) -> str:
        """Return it as clients see it: opaque."""
        microseconds = (self.at - _EPOCH) // timedelta(microseconds=1)
        text = f"{self.listing} {microseconds} {self.name}"
        return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def position(text: str | None) -> int:
    """Read the cursor of a listing that only grows at its end: a number.

    Raises:
        InvalidRequest: It is something else.
    """
    if text is None:
        return 0
    if not _POSITION.fullmatch(text):
        raise _wrong()
    return int(text)


def _wrong() -> InvalidRequest:
    return InvalidRequest.at(
        ("query.cursor", "pass the `next_cursor` of the page before, as it is")
    )
