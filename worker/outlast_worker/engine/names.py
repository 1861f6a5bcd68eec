"""Names inside Restate: handlers, state keys and promises.

A run's journal holds them, so a renamed one needs a new `JOURNAL_VERSION`.
"""

from outlast import contract

# handlers of an agent's workflow
RUN = "run"
ADMIT = "admit"
CANCEL = "cancel"
STEER = "steer"
SAME = "same"
SALVAGE = "salvage"

# handlers of the thread object and its watch
JOIN = "join"
CONVERSATION = "conversation"
RELEASE = "release"
CHECK_HOLDER = "check_holder"
WATCH = "watch"

# state of a run
RUN_KEY = contract.RUN_KEY
APPROVALS_KEY = contract.APPROVALS_KEY
MESSAGES_TAKEN_KEY = "messages_taken"
ORDER_KEY = "order"
EVENT_KEY_PREFIX = "e:"

# state of a thread
HEAD_KEY = contract.HEAD_KEY
STEERED_REQUESTS_KEY = "steered_requests"

# promises of a run
ACCEPTED = "accepted"
ADMISSION = "admission"
CANCELLED_AT = "cancelled_at"

# steps
PIN = "pin"
ABORT = "abort"
CHECK_ARGUMENTS = "check arguments"

_STEP_NAME_CHARS = 80


def event_key(seq: int) -> str:
    """Return the state key of a committed event."""
    return f"{EVENT_KEY_PREFIX}{seq}"


def page_key(index: int) -> str:
    """Return the state key of a page of a conversation."""
    return f"page:{index}"


def model_step(turn: int) -> str:
    """Return the name of a turn's model call."""
    return f"model {turn}"


def partial_answer_step(turn: int) -> str:
    """Return the name of the step that reads what a model had said when it was broken off."""
    return f"partial {turn}"


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
