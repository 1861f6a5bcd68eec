"""Arguments that a person changes in an editor before the call is approved."""

import json
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from fakes.app_server import Document, ScriptedApp, problem
from fakes.command_line import CTRL_C, Terminal
from fakes.wire import NOON
from outlast_cli.editing import edit, parse_arguments
from unit.cli.conftest import DECIDE, waits

# Writes down what it is opened with; saves the next text of a script, or nothing.
_EDITOR = """
import pathlib, sys
folder, edited = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
turn = len(list(folder.glob("opened*")))
(folder / f"opened{turn}").write_text(edited.read_text())
edited.write_text((folder / f"save{turn}").read_text())
"""
_CANCELS = "change nothing"


class Editor:
    """An editor that is not there to look at: what it saves is scripted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        script = folder / "editor.py"
        script.write_text(_EDITOR)
        self.command = shlex.join([sys.executable, str(script), str(folder)])

    def saves(self, *texts: str) -> None:
        for number, text in enumerate(texts):
            (self._folder / f"save{number}").write_text(text)

    @property
    def opened(self) -> list[str]:
        """What it showed, each time that it was opened."""
        return [path.read_text() for path in sorted(self._folder.glob("opened*"))]


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Editor:
    """The person's editor."""
    editor = Editor(tmp_path)
    monkeypatch.setenv("EDITOR", "false")
    monkeypatch.setenv("VISUAL", editor.command)
    return editor


def test_edited(editor: Editor) -> None:
    """The editor shows the arguments on lines of their own, and what it saves counts."""
    editor.saves('{"cents": 1, "note": "für Ana"}')
    assert edit("refund", {"cents": 4990, "note": "ü"}) == {"cents": 1, "note": "für Ana"}
    (shown,) = editor.opened
    heading, text = shown.split("\n", maxsplit=1)
    assert heading.startswith("# The arguments of refund.")
    assert _CANCELS in heading
    assert text == '{\n  "cents": 4990,\n  "note": "ü"\n}\n'


def test_characters_that_a_terminal_obeys(editor: Editor) -> None:
    """What can't be seen, or turns text around, is shown as JSON escapes."""
    editor.saves("")
    assert edit("refund", {"to": "a\u202eb\x9bc\x1b"}) is None
    assert '"a\\u202eb\\u009bc\\u001b"' in editor.opened[0]


@pytest.mark.parametrize(
    "saved",
    ["", "\n \n", "# only\n# comments\n", '{"a": [1]}', '# kept\n{\n  "a": [\n    1\n  ]\n}\n'],
    ids=["empty", "blank", "comments", "other-spaces", "unchanged"],
)
def test_cancelled(editor: Editor, saved: str) -> None:
    """An empty file, or the same arguments, change nothing."""
    editor.saves(saved)
    assert edit("refund", {"a": [1]}) is None


@pytest.mark.parametrize(("value", "saved"), [(1, "true"), (True, "1"), (1, "1.0"), (0, "false")])
def test_equal_only_in_python(editor: Editor, value: int, saved: str) -> None:
    """A change that Python takes for none is one."""
    editor.saves(f'{{"a": {saved}}}')
    assert edit("refund", {"a": value}) == {"a": json.loads(saved)}


@pytest.mark.parametrize(
    ("saved", "fault"),
    [
        ('# the first line\n{\n  "cents": 1,,\n}', "line 3 column 14"),
        ("[1]", "arguments are an object"),
        ('{"cents": NaN}', "NaN is not JSON"),
        ('{"cents": ' + "[" * 300 + "]" * 300 + "}", "recursion limit exceeded"),
        ('{"cents": ' + "[" * 90000 + "]" * 90000 + "}", "nested too deeply"),
        ('{"cents": "\\ud800"}', "lone surrogate"),
    ],
    ids=["syntax", "list", "NaN", "deep", "very-deep", "surrogate"],
)
def test_faults(editor: Editor, saved: str, fault: str) -> None:
    """What can't be arguments opens the editor again, with the fault and the text as it was."""
    editor.saves(saved, '{"cents": 2}')
    assert edit("refund", {"cents": 1}) == {"cents": 2}
    _, again = editor.opened
    assert fault in again.splitlines()[0]
    assert saved.splitlines()[-1] in again


def test_cancelled_after_a_fault(editor: Editor) -> None:
    """Leaving the text that had a fault as it is cancels."""
    editor.saves("[1]", "# what was said\n[1]\n")
    assert edit("refund", {"cents": 1}) is None
    assert len(editor.opened) == 2


@pytest.mark.parametrize("command", ["/nowhere/editor", "false"])
def test_an_editor_that_fails(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An editor that is not there, or ends with an error, changes nothing, and that is said."""
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", command)
    assert edit("refund", {"cents": 1}) is None
    assert command in (said := capsys.readouterr().err)
    assert "VISUAL or EDITOR" in said


def test_text_in_no_encoding_of_ours(editor: Editor, tmp_path: Path) -> None:
    """A file that is not UTF-8 changes nothing."""
    editor.saves("")
    (tmp_path / "editor.py").write_text(
        'import pathlib, sys; pathlib.Path(sys.argv[2]).write_bytes(b\'{"a": "\\xff"}\')'
    )
    assert edit("refund", {"cents": 1}) is None


def test_nothing_is_left(editor: Editor, tmp_path: Path) -> None:
    """The file goes, with what the editor laid beside it."""
    (tmp_path / "editor.py").write_text(
        "import pathlib, sys; folder, edited = map(pathlib.Path, sys.argv[1:])\n"
        "edited.with_suffix('.swp').write_text('x')\n"
        "(folder / 'where').write_text(str(edited))"
    )
    edit("refund", {"cents": 1})
    edited = Path((tmp_path / "where").read_text())
    assert edited.suffix == ".json"
    assert not edited.parent.exists()


@pytest.mark.parametrize("text", ["cents=1", "[1]", '{"a": Infinity}', '{"a": "\\udfff"}'])
def test_wrong_arguments(text: str) -> None:
    """What is not a JSON object that can be kept is refused as such."""
    with pytest.raises(ValueError, match=r"\w"):
        parse_arguments(text)


Typed = Callable[[Terminal], None]


def _decide(app: ScriptedApp, editor: str, typed: Sequence[str], type_first: Typed) -> str:
    with Terminal(app.url, "run", "support", "x", settings={"EDITOR": editor}) as terminal:
        for count, line in enumerate(typed, start=1):
            terminal.wait_for("[l]ater: ", times=count)
            terminal.type(f"{line}\n")
            if line == "e":
                type_first(terminal)
        assert terminal.wait() == 0
        return terminal.shown


def test_at_the_terminal(app: ScriptedApp, editor: Editor) -> None:
    """An edit that was cancelled asks again; a refused one goes on with what was edited."""
    waits(app)
    app._answers[DECIDE].clear()
    refused = problem(422, "The request is not valid", "arguments.cents: too many")
    app.on(DECIDE, refused, Document({"call_id": "1.0", "action": "approve", "at": NOON}))
    editor.saves("", '{"cents": 9}', '{"cents": 8}')
    shown = _decide(app, editor.command, ["e", "e", "e"], lambda _: None)
    assert "too many" in shown
    assert [sent.body["arguments"] for sent in app.sent(DECIDE)] == [{"cents": 9}, {"cents": 8}]
    assert '"cents": 9' in editor.opened[2]


def test_ctrl_c_in_the_editor(app: ScriptedApp, editor: Editor, tmp_path: Path) -> None:
    """Ctrl-C is the editor's: the command waits for it, and the run is not left."""
    waits(app)
    (tmp_path / "editor.py").write_text(
        "import pathlib, signal, sys\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\n"
        "print('editing', flush=True); signal.sigwait([signal.SIGINT])\n"
        "pathlib.Path(sys.argv[2]).write_text('{\"cents\": 3}')"
    )

    def interrupt(terminal: Terminal) -> None:
        terminal.wait_for("editing")
        terminal.type(CTRL_C)

    _decide(app, editor.command, ["e"], interrupt)
    assert [sent.body["arguments"] for sent in app.sent(DECIDE)] == [{"cents": 3}]
