"""What ends a command early, with its exit code and a sentence for standard error.

CliError
├── Refused       1  the server answered with a problem, or with what it should not
├── BadSetting    2  an option or a variable can't work
├── NotInstalled  2  the command's package is missing, or broken
├── Unreachable   3  no server answers
├── Undecided     4  the run waits for a decision that nobody here can make
└── Detached    130  Ctrl-C: the run goes on without being watched
"""

from typing import ClassVar

_PASSING = frozenset({429, 502, 503, 504})


class CliError(Exception):
    """Base of all of them. `passes` says whether the same request may do better soon."""

    exit_code: ClassVar[int]
    passes = False


class Refused(CliError):
    exit_code = 1

    def __init__(self, message: str, status: int, retry_after_s: float = 0) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s
        self.passes = status in _PASSING


class BadSetting(CliError):
    exit_code = 2


class NotInstalled(CliError):
    exit_code = 2


class Unreachable(CliError):
    exit_code = 3

    def __init__(self, message: str, *, passes: bool = True) -> None:
        super().__init__(message)
        self.passes = passes


class Undecided(CliError):
    exit_code = 4


class Detached(CliError):
    exit_code = 130
