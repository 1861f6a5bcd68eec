"""A tool call's arguments, changed by a person: in an editor, or else on a line."""

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

from pydantic import JsonValue

from outlast.protocol import check_json
from outlast_cli.keyboard import ask
from outlast_cli.output import as_text, escape_unprintable, say

Arguments = Mapping[str, JsonValue]

_HOW = "Save and leave to approve the call with what is here. To approve nothing, change nothing."


def parse_arguments(text: str) -> dict[str, JsonValue]:
    """Read a tool call's arguments.

    Raises:
        ValueError: They are not a JSON object, or one that nobody can keep.
    """
    value = parse_json(text)
    if not isinstance(value, dict):
        raise ValueError('arguments are an object, such as {"cents": 100}')  # noqa: TRY004
    return value


def parse_json(text: str) -> JsonValue:
    """Read JSON.

    Raises:
        ValueError: It is none, or such that nobody can keep it.
    """
    try:
        value: Any = json.loads(text, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    check_json(value)
    return value


def edit(name: str, arguments: Arguments) -> dict[str, JsonValue] | None:
    """Let a person change the arguments of a call; None if they leave it.

    Raises:
        EOFError: Ctrl-D, on the line.
        ValueError: What is on the line can't be arguments.
    """
    if editor := shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""):
        return _edit_in(editor, name, arguments)
    return parse_arguments(ask("Arguments", as_text(arguments)))


def _edit_in(editor: Sequence[str], name: str, arguments: Arguments) -> dict[str, JsonValue] | None:
    """Open an editor, and again while what it leaves can't be arguments."""
    opened = text = escape_unprintable(json.dumps(arguments, indent=2, ensure_ascii=False))
    heading = f"The arguments of {name}. {_HOW}"
    with TemporaryDirectory(prefix="outlast-") as folder:
        # What an editor lays beside the file goes with the folder.
        path = Path(folder, "arguments.json")
        while True:
            path.write_text(f"# {heading}\n{text}\n", encoding="utf-8")
            try:
                with _interrupts_left_to_the_editor():
                    subprocess.run([*editor, str(path)], check=True)  # noqa: S603
                saved = _without_comments(path.read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError, subprocess.CalledProcessError) as error:
                say(f"The editor changed nothing: {error}. VISUAL or EDITOR says which one it is.")
                return None
            text = saved.strip("\n")
            if text in ("", opened):
                return None
            try:
                changed = parse_arguments(saved)
            except ValueError as error:
                heading, opened = f"This can't be arguments of {name}: {error}. {_HOW}", text
            else:
                return None if _same(changed, arguments) else changed


def _without_comments(text: str) -> str:
    """Empty the lines that are not JSON; the others keep their numbers, which messages name."""
    return "\n".join("" if line.startswith("#") else line for line in text.split("\n"))


def _same(changed: Arguments, arguments: Arguments) -> bool:
    # As texts: to Python, 1 and true are equal.
    return json.dumps(changed) == json.dumps(arguments)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


@contextmanager
def _interrupts_left_to_the_editor() -> Generator[None]:
    """Have Ctrl-C mean what the editor makes of it, and not leave it behind at the terminal."""
    # A function, since a child would inherit that a signal is ignored.
    handler = signal.signal(signal.SIGINT, lambda _signal, _frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
