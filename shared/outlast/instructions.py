"""An agent's instructions: a text with placeholders, a file that holds one, or a function."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from outlast.errors import DefinitionError
from outlast.run_context import RunContext

InstructionsFunction = Callable[[RunContext[Any]], str | Awaitable[str]]
Instructions = str | Path | InstructionsFunction

_PLACEHOLDER = re.compile(r"\{\{\s*([\w-]+)\s*(?:\|([^{}]*))?\}\}")
# What somebody wrote for one; other text in braces is left as it is.
_NO_PLACEHOLDER = re.compile(r"\{\{[\w\s.-]*(?:\|[^{}]*)?\}\}")


def read_instructions(path: Path, declared_in: str | None) -> str:
    """Read a file of instructions, whose path is relative to the file that declares the agent.

    Raises:
        DefinitionError: It can't be read.
    """
    found = path if declared_in is None else Path(declared_in).parent / path
    try:
        return found.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DefinitionError(
            f"the instructions can't be read from {found}: {error}; name a file of UTF-8 text, "
            "relative to the one that declares the agent"
        ) from error


def check_instructions(given: Any) -> None:
    """Refuse a text without words, or with what was meant for a placeholder and is none.

    Raises:
        DefinitionError: With the fix.
    """
    if callable(given):
        return
    if not isinstance(given, str):
        raise DefinitionError(f"instructions is {given!r}; it must be a text, a Path or a function")
    _check_text(given)


def _check_text(text: str) -> None:
    if not text.strip():
        raise DefinitionError("instructions are empty; say what it is for")
    if wrong := _NO_PLACEHOLDER.search(_PLACEHOLDER.sub("", text)):
        raise DefinitionError(
            f"{wrong[0]} in the instructions is no placeholder; write "
            "{{name}} or {{name|default}}, a name of letters, digits, _ and - in the run's context"
        )


def needed_names(text: str) -> tuple[str, ...]:
    """Return the names that a text needs from a run's context: those without a default."""
    found = _PLACEHOLDER.finditer(text)
    return tuple(dict.fromkeys(match[1] for match in found if match[2] is None))


def fill_in(text: str, context: Mapping[str, Any]) -> str:
    """Fill in a text.

    Raises:
        KeyError: The context lacks a name that has no default.
    """

    def value_of(match: re.Match[str]) -> str:
        name, default = match[1], match[2]
        if default is not None and context.get(name) is None:
            return default.strip()
        value = context[name]
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    return _PLACEHOLDER.sub(value_of, text)


def shown_instructions(instructions: Instructions) -> str:
    """Return what is shown of an agent's instructions: of a function its name."""
    if not callable(instructions):
        return str(instructions)
    name = getattr(instructions, "__qualname__", type(instructions).__qualname__)
    return f"(made for each run by {name})"
