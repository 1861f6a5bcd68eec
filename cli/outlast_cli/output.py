"""Standard output and standard error; the text of models and tools is made safe for a terminal."""

import codecs
import io
import json
import sys
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

# Our own signs, for a terminal or a file whose encoding lacks them.
_IN_ASCII = {"→": "->", "←": "<-", "»": ">>", "…": "...", "·": "-", "–": "-"}  # noqa: RUF001
_ENCODING_ERRORS = "outlast.in_ascii"

console = Console(markup=False, highlight=False, emoji=False)


def write_in_any_encoding() -> None:
    """Have what the locale's encoding lacks written as escapes: it must not end a command."""
    codecs.register_error(_ENCODING_ERRORS, _escape)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ENCODING_ERRORS)


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
        write_json(answer.model_dump_json())
    else:
        write(as_text)


def write_json(text: str) -> None:
    """Print a JSON text on one line; what the locale's encoding lacks as JSON escapes it."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(json.loads(text), separators=(",", ":"))
    typer.echo(text)


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


def _escape(error: UnicodeError) -> tuple[str, int]:
    """Replace what can't be encoded: our signs by ASCII ones, all else by its number."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    written = [
        _IN_ASCII.get(char) or char.encode("ascii", "backslashreplace").decode() for char in lacking
    ]
    return "".join(written), error.end
