"""Ends a stack whose owner was killed: a process that waits for the end of its input.

SIGKILL leaves an owner no time to end what it has started. A stack that is to outlive the command
that starts it, as that of `outlast up`, has none.

    python -m outlast_local.keeper DIRECTORY
"""

import subprocess
import sys
from pathlib import Path

from outlast_local.signals import put_off


class Keeper:
    """Looks after the stack in one folder for as long as this process lives."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin."""
        with put_off():
            self._child = subprocess.Popen(
                [sys.executable, "-m", "outlast_local.keeper", str(self._directory)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def stop(self) -> None:
        """Leave the stack to its owner, who ends it."""
        if self._child:
            self._child.kill()
            self._child.communicate()
            self._child = None


def main(directory: Path) -> None:
    """Wait until the owner is gone, and end what it has left."""
    sys.stdin.buffer.read()
    # Most keepers never need it.
    from outlast_local.background import end_stack  # noqa: PLC0415

    end_stack(directory)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
