"""What this program is called where its user stands: for commands that are printed to be typed."""

import shlex
import shutil
import sys
from pathlib import Path

NAME = "outlast"


def outlast(*words: str) -> str:
    """Return a command of this program, as the user's shell finds it.

    It is called by its name, or, where that name leads nowhere or to another installation, by the
    path by which it was called now.
    """
    return shlex.join((_called(), *words))


def _called() -> str:
    path = Path(sys.argv[0])
    if path.name != NAME or not path.exists():  # a test, or a module: there is no better name
        return NAME
    found = shutil.which(NAME)
    return NAME if found and path.samefile(found) else str(path)
