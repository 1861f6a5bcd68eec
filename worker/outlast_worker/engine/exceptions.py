"""What cuts a run short, from wherever in the loop it is noticed; `loop.py` says what follows.

```
Cancelled    from outside; each fires once
StepFailed   a part of the engine refused a step for good
RunFailed    the run can't go on
RunStopped   it has reached a limit
```
"""

from outlast.protocol import IncompleteReason, RunError


class Cancelled(Exception):
    """The run was cancelled from outside."""


class StepFailed(Exception):
    """A part of the engine refused a step for good.

    Attributes:
        status: As in HTTP; 413 means that something has become too large.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class RunFailed(Exception):
    """The run can't go on."""

    def __init__(self, error: RunError) -> None:
        super().__init__(error.message)
        self.error = error


class RunStopped(Exception):
    """The run has reached a limit."""

    def __init__(self, reason: IncompleteReason) -> None:
        super().__init__(reason)
        self.reason: IncompleteReason = reason
