"""What all records have in common."""

from pydantic import BaseModel, ConfigDict

from outlast.protocol import RunError

JOURNAL_VERSION = 8


class Record(BaseModel):
    """Base of everything journaled."""

    model_config = ConfigDict(frozen=True)


def fault_of_ours(what: str, error: Exception) -> RunError:
    """Say what failed in the worker; the text of the exception is for its log alone."""
    message = f"{what}: {type(error).__name__}. Its log says more."
    return RunError(type="internal", message=message, retryable=False)
