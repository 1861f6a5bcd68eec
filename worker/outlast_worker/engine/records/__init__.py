"""What a run journals: small records of our own, so that no library's upgrade changes a journal.

Raise `JOURNAL_VERSION` when a record's meaning, or the order or the names of steps, changes.
"""

from outlast_worker.engine.records.conversation import (
    Cut,
    CutOutcome,
    ForkSource,
    StandIn,
    StoredMessage,
    rest_of,
)
from outlast_worker.engine.records.definition import (
    CallPrice,
    HandoffOutcome,
    HandoffRefused,
    HookPoint,
    Pin,
    PinFailure,
    PinnedChild,
    PinnedCompaction,
    PinnedHook,
    PinnedOutput,
    PinnedTool,
    PinOutcome,
    ToolKind,
)
from outlast_worker.engine.records.hooks import (
    HookRecord,
)
from outlast_worker.engine.records.model import (
    PAUSED,
    Forgotten,
    ModelFault,
    ModelOutcome,
    ModelRecord,
    Opaque,
    OutputCheck,
    RequestedCall,
)
from outlast_worker.engine.records.record import (
    JOURNAL_VERSION,
    Record,
)
from outlast_worker.engine.records.tool_calls import (
    HELD_FOR,
    UNFINISHED,
    ApprovalCheck,
    ChildInput,
    DurableReport,
    EffectClaim,
    EffectOutcome,
    EffectVerdict,
    KeptResolution,
    ServerAsks,
    ServerQuestion,
    ToolRecord,
)

__all__ = [
    "HELD_FOR",
    "JOURNAL_VERSION",
    "PAUSED",
    "UNFINISHED",
    "ApprovalCheck",
    "CallPrice",
    "ChildInput",
    "Cut",
    "CutOutcome",
    "DurableReport",
    "EffectClaim",
    "EffectOutcome",
    "EffectVerdict",
    "Forgotten",
    "ForkSource",
    "HandoffOutcome",
    "HandoffRefused",
    "HookPoint",
    "HookRecord",
    "KeptResolution",
    "ModelFault",
    "ModelOutcome",
    "ModelRecord",
    "Opaque",
    "OutputCheck",
    "Pin",
    "PinFailure",
    "PinOutcome",
    "PinnedChild",
    "PinnedCompaction",
    "PinnedHook",
    "PinnedOutput",
    "PinnedTool",
    "Record",
    "RequestedCall",
    "ServerAsks",
    "ServerQuestion",
    "StandIn",
    "StoredMessage",
    "ToolKind",
    "ToolRecord",
    "rest_of",
]
