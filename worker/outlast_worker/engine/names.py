"""Names of a run's steps.

A replay compares them, so a renamed one needs a new `JOURNAL_VERSION`, and none of them may
depend on configuration.
"""

PIN = "pin"
TIME = "time"
"""Tells the time in the journal of a durable tool."""
CANCELLED = "cancelled"
"""Tells the time of a cancellation that did not come by our handler."""

_MAX_CHARS = 80


def model_step(turn: int) -> str:
    """Name a turn's model call."""
    return f"model {turn}"


def compact_step(turn: int) -> str:
    """Name the step that makes a turn's prompt shorter."""
    return f"compact {turn}"


def output_step(turn: int) -> str:
    """Name the step that reads a turn's answer as what it has to be."""
    return f"output {turn}"


def partial_answer_step(turn: int) -> str:
    """Name the step that reads what a model had said when it was broken off."""
    return f"partial {turn}"


def tool_step(tool: str) -> str:
    """Name a tool's step. A model may ask for anything, at any length."""
    return f"tool {tool}"[:_MAX_CHARS]


def child_step(tool: str) -> str:
    """Name the step that reads what an agent is asked."""
    return f"agent {tool}"[:_MAX_CHARS]


def handoff_step(tool: str) -> str:
    """Name the step that fixes the definition of the agent that takes a run over."""
    return f"handoff {tool}"[:_MAX_CHARS]


def durable_step(name: str) -> str:
    """Name a step of a durable tool, by what its author calls it."""
    return f"step {name}"[:_MAX_CHARS]


def check_step(tool: str) -> str:
    """Name the step that finds out whether a person must approve a call."""
    return f"check {tool}"[:_MAX_CHARS]


def claim_step(tool: str) -> str:
    """Name the step by which a process claims the one call of a `once` tool."""
    return f"claim {tool}"[:_MAX_CHARS]


def verify_step(tool: str) -> str:
    """Name the step that finds out whether a call in doubt happened."""
    return f"verify {tool}"[:_MAX_CHARS]


def hook_step(hook: str) -> str:
    """Name the step that calls a hook."""
    return f"hook {hook}"[:_MAX_CHARS]
