"""What is said where a library is missing that only some agents need."""

from outlast.errors import OutlastError


class NotInstalled(OutlastError):
    """A library is missing. The message says what to run."""
