"""The variables that say which app to talk to."""

from typing import Final

URL: Final = "OUTLAST_URL"
KEY: Final = "OUTLAST_KEY"
DEFAULT_URL: Final = "http://127.0.0.1:8070"

FORMER: Final = {"AGENTS_URL": URL, "AGENTS_KEY": KEY}
"""What these were called before."""
