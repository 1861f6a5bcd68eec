"""Folders and files of a stack, which hold what people and models say: for this user alone."""

import os
import stat
from pathlib import Path
from typing import IO

from outlast_local.errors import ForeignFolder


def make_private_folder(folder: Path) -> None:
    """Make a folder that nobody else can enter, or shut one that is there.

    Raises:
        ForeignFolder: Others have business there.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = folder.stat().st_mode
    if not mode & 0o077:
        return
    shared = bool(mode & stat.S_ISVTX)  # as /tmp is, which must stay open
    if not shared:
        try:
            folder.chmod(0o700)  # without effect where a file system knows no modes
        except PermissionError:
            shared = True
    if shared:
        raise ForeignFolder(
            f"{folder} is not this user's alone, and holds what people say. Let STACK_DIR name "
            "another folder."
        )


def open_private_log(path: Path) -> IO[bytes]:
    """Open a file that nobody else can read, to add to it."""
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.fchmod(log, 0o600)  # an older version let all read it
    return os.fdopen(log, "ab")
