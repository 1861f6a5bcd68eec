"""Names inside Restate: handlers, state keys and promises.

A run's journal holds them, so a renamed one needs a new `JOURNAL_VERSION`.
"""

from outlast import contract

# handlers of an agent's workflow
RUN = "run"
GRANT = "grant"
CANCEL_RUN = "cancel"
STEER = "steer"
SAME = "same"
SALVAGE = "salvage"

# handlers of the thread object and its watch
JOIN = "join"
CONVERSATION = "conversation"
FINISH = "finish"
WATCH = "watch"

# state of a run
RUN_KEY = contract.RUN_KEY
APPROVALS_KEY = contract.APPROVALS_KEY
TAKEN_KEY = "taken"
INPUT_KEY = "input"
EVENT_KEY_PREFIX = "e:"

# state of a thread
HEAD_KEY = contract.HEAD_KEY
HANDED_KEY = "handed"

# promises of a run
ACCEPTED = "accepted"
TURN = "turn"
CANCEL = "cancel"

# steps of handlers beside the run
CHECK_ARGUMENTS = "check arguments"

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


def check_step(tool: str) -> str:
    """Return the name of the step that finds out whether a person must approve a call."""
    return f"check {tool}"[:_STEP_NAME_CHARS]


def decision_promise(call_id: str) -> str:
    """Return the promise of a person's decision on a call."""
    return f"decision:{call_id}"


def inbox_promise(index: int) -> str:
    """Return the promise of a steering message."""
    return f"in:{index}"
