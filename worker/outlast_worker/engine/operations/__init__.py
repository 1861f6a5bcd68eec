"""What a run does to the world in journaled steps, as data.

Each kind knows the name of its step, what is journaled of it, and what that is when the step is
cut. A new kind is declared here and executed in `execution.py`; nothing else changes.
"""

from outlast_worker.engine.operations.definition import HandOver, PinAgent
from outlast_worker.engine.operations.hooks import CallHook, HookSubject
from outlast_worker.engine.operations.model import AskModel, CheckOutput, Compact, ModelCall
from outlast_worker.engine.operations.operation import CallOperation, Operation
from outlast_worker.engine.operations.tool_calls import (
    CheckApproval,
    CheckArguments,
    ClaimEffect,
    PrepareChild,
    RunBuiltIn,
    RunOnce,
    RunTool,
    VerifyEffect,
)

__all__ = [
    "AskModel",
    "CallHook",
    "CallOperation",
    "CheckApproval",
    "CheckArguments",
    "CheckOutput",
    "ClaimEffect",
    "Compact",
    "HandOver",
    "HookSubject",
    "ModelCall",
    "Operation",
    "PinAgent",
    "PrepareChild",
    "RunBuiltIn",
    "RunOnce",
    "RunTool",
    "VerifyEffect",
]
