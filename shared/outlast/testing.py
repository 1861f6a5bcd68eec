"""Test agents and tools: `run_in_memory`, and what a scripted model does.

The one module here that imports another package of ours: the kit runs the worker's own engine.
"""

try:
    from outlast_worker.testing import (
        CalledTool,
        CallResult,
        ClientToolSpec,
        Decision,
        InputMessage,
        Limits,
        ModelCallOptions,
        ModelRequest,
        RunAgent,
        RunResult,
        ScriptError,
        Usage,
        call,
        calls,
        fault,
        raw_call,
        run_in_memory,
        text,
    )
except ModuleNotFoundError as missing:
    if missing.name != "outlast_worker":
        raise
    raise ModuleNotFoundError(
        'outlast.testing runs the worker\'s engine: pip install "outlast[local]"', name=missing.name
    ) from missing

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
