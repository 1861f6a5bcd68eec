"""Amounts of money, as people write them."""

from __future__ import annotations

import re

_NUMBER = r"(?<![\d.,])(?:\d{1,3}(?:[.,]\d{3})+|\d+)(?:[.,]\d{1,2})?(?![.,]?\d)"
_AMOUNT = re.compile(
    rf"(?P<cents>(?<![\d.,])\d+)\s*cents?\b"
    rf"|(?:€|\beur\b)\s*(?P<after>{_NUMBER})"
    rf"|(?P<before>{_NUMBER})\s*(?:€|euros?\b|eur\b)"
    rf"|(?P<bare>(?<![\d.,])\d+[.,]\d{{2}}(?![.,]?\d))",
    re.IGNORECASE,
)


def amounts_in_cents(text: str) -> list[int]:
    """Find the amounts that a text names, e.g. `€12.50`, `12,50 euros` or `1250 cents`."""
    return [_cents(match) for match in _AMOUNT.finditer(text)]


def euros(cents: int) -> str:
    """Write an amount."""
    return f"€{cents / 100:.2f}"


def _cents(match: re.Match[str]) -> int:
    if match["cents"]:
        return int(match["cents"])
    number = match["after"] or match["before"] or match["bare"]
    whole, decimals = re.fullmatch(r"(.*?)(?:[.,](\d{1,2}))?", number).groups()  # pyright: ignore[reportOptionalMemberAccess]  # matches any text
    return int(re.sub(r"[.,]", "", whole)) * 100 + int((decimals or "").ljust(2, "0"))
