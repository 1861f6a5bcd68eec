"""`outlast dev`: app and worker in one process, started again on each change of the project.

Restate (and the demo model, without a provider key) run beside it and stay, until `.env` changes.
"""

import importlib
import importlib.util
import os
import sys
import sysconfig
import termios
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from pathlib import Path

import watchfiles

from outlast.settings_errors import InvalidSettings, read_settings
from outlast_cli.settings import DEFAULT_URL, URL
from outlast_local.background import own_stack
from outlast_local.errors import DevelopmentEnded
from outlast_local.misspelt import misspelt_settings
from outlast_local.provider import describe_model
from outlast_local.settings import INVALID_SETTINGS, LocalSettings
from outlast_local.signals import interruptible
from outlast_local.stack import Stack

_OURS = ("outlast", "outlast_app", "outlast_worker")
_LOOK_EVERY_MS = 500
_ENV = Path(".env")
Say = Callable[[str], None]


def develop(say: Say) -> None:
    """Serve the project in the current folder until a signal.

    Raises:
        DevelopmentEnded: With the reason.
    """
    settings = read_settings(LocalSettings)
    corrects = DevelopmentEnded("Correct the settings, and start this again.")
    with _terminal_as_before():
        while True:
            stack = own_stack(settings, breakpoints=True)
            with interruptible(stack.stop):
                _serve(stack, settings.agents, say, at_wrong_settings=corrects)
            stack.stop()
            say(".env has changed: starting again …")
            settings, corrects = _read_again(say), None


def watched(agents: str, project: Path) -> list[Path]:
    """Return the folders and files that the module of agents, and the project, are made of."""
    found = [*_editable(), *([_ENV] if _ENV.exists() else [])]
    importlib.invalidate_caches()
    # Without an import: the module may have a mistake, or only be written next.
    spec = PathFinder.find_spec(agents.partition(".")[0], [str(project), *sys.path])
    if spec is None:
        return found
    made_of = [Path(location).resolve() for location in spec.submodule_search_locations or ()]
    if spec.origin and not made_of:  # what a single file imports lies beside it
        folder = Path(spec.origin).resolve().parent
        made_of = sorted(folder.glob("*.py"))
    if any(path.parent == project for path in made_of):
        made_of += _code_of(project)
    return list(dict.fromkeys([*found, *made_of]))


def _code_of(project: Path) -> Iterator[Path]:
    """Go through the project's modules and packages; its tests are not served."""
    yield from sorted(project.glob("*.py"))
    for init in sorted(project.glob("*/__init__.py")):
        if init.parent.name != "tests":
            yield init.parent


def _editable() -> Iterator[Path]:
    """Go through our own packages that somebody works on."""
    installed = Path(sysconfig.get_path("purelib")).resolve()
    for name in _OURS:
        spec = importlib.util.find_spec(name)
        for location in (spec and spec.submodule_search_locations) or ():
            if installed not in (path := Path(location).resolve()).parents:
                yield path


def _serve(stack: Stack, agents: str, say: Say, at_wrong_settings: DevelopmentEnded | None) -> None:
    """Serve until `.env` changes."""
    say(f"app {stack.app_url} · Restate's UI {stack.admin_url} · Ctrl-C ends it")
    say(f"model: {describe_model()}")
    for misspelt in misspelt_settings():
        say(f"Warning: {misspelt}")
    if stack.app_url != os.environ.get(URL, DEFAULT_URL):
        say(f"For commands in another terminal: export {URL}={stack.app_url}")
    stack.start_demo_model()
    stack.start_restate()
    before = _env()
    while _env() == before:
        stack.start_all_in_one()
        _wait_for_change(stack, agents, say, at_wrong_settings)
        stack.all_in_one.terminate()


def _wait_for_change(
    stack: Stack, agents: str, say: Say, at_wrong_settings: DevelopmentEnded | None
) -> None:
    """Wait until a file is saved or new, and say so when nothing else is going on.

    The watch begins anew each time, since one on a file ends when an editor replaces the file.

    Raises:
        DevelopmentEnded: With the reason.
    """
    said, project = False, Path.cwd()
    paths = watched(agents, project)
    for changes in watchfiles.watch(*paths, rust_timeout=_LOOK_EVERY_MS, yield_on_timeout=True):
        if not stack.restate.running:
            raise DevelopmentEnded(
                "Restate has ended, perhaps by `outlast down`, and so this ends, too."
            )
        if at_wrong_settings and stack.all_in_one.exit_status == INVALID_SETTINGS:
            raise at_wrong_settings
        if changes or watched(agents, project) != paths:
            return
        if not said and not stack.all_in_one.running:
            say("Waiting for a change …")
            said = True


def _read_again(say: Say) -> LocalSettings:
    """Read settings that somebody is changing."""
    while True:
        try:
            return read_settings(LocalSettings)
        except InvalidSettings as error:
            say(f"{error}\nWaiting for a change …")
        next(watchfiles.watch(Path.cwd(), recursive=False, watch_filter=_is_env))


def _is_env(_change: watchfiles.Change, path: str) -> bool:
    return Path(path).name == _ENV.name


def _env() -> bytes | None:
    return _ENV.read_bytes() if _ENV.exists() else None


@contextmanager
def _terminal_as_before() -> Generator[None]:
    """Undo what a debugger's prompt has set, and could not set back when it was killed."""
    if not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
