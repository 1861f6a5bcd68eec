"""How Restate says that an invocation was cancelled."""

from restate import TerminalError


def is_own_cancellation(error: TerminalError) -> bool:
    """Tell a cancellation of this invocation from other conflicts, such as a killed callee."""
    return error.status_code == 409 and error.message == "cancelled"
