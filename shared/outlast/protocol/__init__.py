"""The models of the HTTP interface, which the worker also keeps in a run's state.

What is said under a field is its description in the OpenAPI document. Times are UTC; `_s` and
`_ms` are durations.
"""

from outlast.protocol.agents import AgentDescription, AgentPage, ToolDescription
from outlast.protocol.approvals import (
    WRITTEN_ID,
    Approval,
    ApprovalPage,
    By,
    Decider,
    PendingApproval,
    Resolution,
)
from outlast.protocol.health import Health, ProblemDocument, Readiness
from outlast.protocol.messages import (
    Content,
    FilePart,
    ImagePart,
    Input,
    InputMessage,
    Message,
    Part,
    TextPart,
    ToolCall,
)
from outlast.protocol.requests import (
    MAX_DELAY_S,
    Decision,
    Limits,
    OnBusy,
    StartRun,
    Steered,
    SteerRun,
)
from outlast.protocol.runs import (
    ENDED,
    NOTHING_USED,
    Engine,
    IncompleteReason,
    Run,
    RunError,
    RunErrorType,
    RunPage,
    RunStatus,
    Usage,
)
from outlast.protocol.threads import MessagePage, Thread, ThreadPage
from outlast.protocol.wire import (
    AMONG_PROCESSES,
    OrNewer,
    Public,
    ThreadId,
    Time,
    Wire,
    check_json,
    from_client,
)

__all__ = [
    "AMONG_PROCESSES",
    "ENDED",
    "MAX_DELAY_S",
    "NOTHING_USED",
    "WRITTEN_ID",
    "AgentDescription",
    "AgentPage",
    "Approval",
    "ApprovalPage",
    "By",
    "Content",
    "Decider",
    "Decision",
    "Engine",
    "FilePart",
    "Health",
    "ImagePart",
    "IncompleteReason",
    "Input",
    "InputMessage",
    "Limits",
    "Message",
    "MessagePage",
    "OnBusy",
    "OrNewer",
    "Part",
    "PendingApproval",
    "ProblemDocument",
    "Public",
    "Readiness",
    "Resolution",
    "Run",
    "RunError",
    "RunErrorType",
    "RunPage",
    "RunStatus",
    "StartRun",
    "SteerRun",
    "Steered",
    "TextPart",
    "Thread",
    "ThreadId",
    "ThreadPage",
    "Time",
    "ToolCall",
    "ToolDescription",
    "Usage",
    "Wire",
    "check_json",
    "from_client",
]
