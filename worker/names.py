"""Names inside Restate: handlers, state keys and promises.

A run's journal holds them, so a renamed one needs a new `JOURNAL_VERSION`.
"""

from shared import contract

# handlers of an agent's workflow
RUN = "run"
GRANT = "grant"
SAME = "same"
SALVAGE = "salvage"

# handlers of the thread object and its watch
JOIN = "join"
CONVERSATION = "conversation"
FINISH = "finish"
WATCH = "watch"

# state of a run
RUN_KEY = contract.RUN_KEY
INPUT_KEY = "input"
EVENT_KEY_PREFIX = "e:"

# state of a thread
HEAD_KEY = contract.HEAD_KEY

# promises of a run
ACCEPTED = "accepted"
TURN = "turn"
CANCEL = "cancel"

_STEP_NAME_CHARS = 80


def event_key(seq: int) -> str:
    """Return the state key of a committed event."""
    return f"{EVENT_KEY_PREFIX}{seq}"


def page_key(index: int) -> str:
    """Return the state key of a page of a conversation."""
    return f"page:{index}"


def tool_step(tool: str) -> str:
    """Return the name of a tool's step. A model may ask for anything, at any length."""
    return f"tool {tool}"[:_STEP_NAME_CHARS]
