"""Standard output and standard error; the text of models and tools is made safe for a terminal."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import typer
from rich.console import Console, RenderableType
from rich.text import Text

if TYPE_CHECKING:
    # The listing of commands does without.
    from pydantic import BaseModel, JsonValue

# Of tables, whose columns share it.
_PIPE_WIDTH = 1000
_CONTROL = dict.fromkeys({*range(32), *range(127, 160)} - {ord("\n"), ord("\t")})
# These show text in another order than it has: a person would approve what is not there.
_TURNING = dict.fromkeys([0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])

console = Console(markup=False, highlight=False, emoji=False)


def say(text: str, *, ends_line: bool = True) -> None:
    """Tell the person something, beside the output."""
    typer.echo(text, err=True, nl=ends_line)


def write(renderable: RenderableType) -> None:
    """Print for a person; a pipe gets whole lines, however long."""
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    console.print(renderable, crop=False, soft_wrap=not console.is_terminal)


def show(answer: "BaseModel", as_text: RenderableType, *, as_json: bool) -> None:
    """Print an answer of the server, for a script or for a person."""
    if as_json:
        typer.echo(answer.model_dump_json())
    else:
        write(as_text)


def whole(text: str, style: str = "") -> Text:
    """Return a line with an id: a terminal may break it, but copies it as it is."""
    return Text(printable(text), style, no_wrap=True, overflow="ignore")


def as_text(arguments: "Mapping[str, JsonValue]") -> str:
    """Return a call's arguments whole, since a person decides on them."""
    return printable(json.dumps(arguments, ensure_ascii=False))


def printable(text: str) -> str:
    """Take out what a terminal would obey."""
    return text.translate(_CONTROL | _TURNING)


def escape_unprintable(json_text: str) -> str:
    """Show in a JSON text what a terminal would obey, as JSON writes it."""
    return json_text.translate({code: f"\\u{code:04x}" for code in (*_CONTROL, *_TURNING)})


def shortened(text: str, length: int = 160) -> str:
    """Return the text on one line, cut off where it gets long."""
    line = " ".join(printable(text).split())
    return line if len(line) <= length else f"{line[: length - 1]}…"
