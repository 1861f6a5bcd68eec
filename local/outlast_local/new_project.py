"""Writes a project to start with: `outlast init NAME`.

The template is a project that works as it is and is called `desk`; its name is all that changes.
"""

import keyword
import re
import shutil
import sys
from importlib.machinery import PathFinder
from importlib.resources import as_file, files
from pathlib import Path

from outlast_local.errors import NotMade
from outlast_local.wheels import write_wheels

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_TEMPLATE_NAME = re.compile(r"\bdesk\b")
_TAKEN_INSIDE = ("tests", "wheels")
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".mypy_cache", ".pytest_cache")


def check_name(name: str) -> None:
    """Refuse what can't be the name of a project and its package.

    Raises:
        NotMade: With what to choose instead.
    """
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise NotMade(
            f"{name!r} can't be the name of a Python package. Use letters, digits and _, and begin "
            "with a letter."
        )
    if name in _TAKEN_INSIDE:
        raise NotMade(f"{name!r} is a folder inside of every project. Choose another name.")
    if name in sys.stdlib_module_names:
        raise NotMade(f"{name!r} is a module of Python's own. Choose another name.")
    here = {str(Path.cwd()), ""}
    if PathFinder.find_spec(name, [path for path in sys.path if path not in here]):
        raise NotMade(
            f"{name!r} is a package that is installed here, and would be hidden by a project of "
            "this name. Choose another name."
        )


def write_project(folder: Path) -> None:
    """Write the template into a new folder, under its name.

    Raises:
        NotMade: With what to do.
    """
    name = folder.name
    check_name(name)
    if folder.exists():
        raise NotMade(f"{folder} is there already. Choose another name, or move it away.")
    with as_file(files("outlast_local") / "template") as template:
        shutil.copytree(template, folder, ignore=_LEFT_OUT)
    (folder / "desk").rename(folder / name)
    for path in folder.rglob("*"):
        if path.is_file():
            path.write_text(_TEMPLATE_NAME.sub(name, path.read_text()))
    (folder / ".env").write_text(f"AGENTS={name}\n")
    write_wheels(folder / "wheels")
