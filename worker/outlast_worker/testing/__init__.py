"""The test kit: runs agents in memory, with a scripted model. Users import it as `outlast.testing`.

This package needs neither Restate nor a model library, and imports none.
"""

from outlast.protocol import (
    CallResult,
    ClientToolSpec,
    Decision,
    InputMessage,
    Limits,
    ModelCallOptions,
    Usage,
)
from outlast_worker.testing.result import CalledTool, RunAgent, RunResult
from outlast_worker.testing.run import run_in_memory
from outlast_worker.testing.script import call, calls, fault, raw_call, text
from outlast_worker.testing.scripted_model import ModelRequest, ScriptError

__all__ = [
    "CallResult",
    "CalledTool",
    "ClientToolSpec",
    "Decision",
    "InputMessage",
    "Limits",
    "ModelCallOptions",
    "ModelRequest",
    "RunAgent",
    "RunResult",
    "ScriptError",
    "Usage",
    "call",
    "calls",
    "fault",
    "raw_call",
    "run_in_memory",
    "text",
]
