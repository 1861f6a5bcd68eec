"""The variables that the command reads."""

from typing import Final

URL: Final = "OUTLAST_URL"
KEY: Final = "OUTLAST_KEY"
TRACEBACK: Final = "OUTLAST_TRACEBACK"
DEFAULT_URL: Final = "http://127.0.0.1:8070"

FORMER: Final = {"AGENTS_URL": URL, "AGENTS_KEY": KEY}
"""What these were called before."""
