"""`make dev`: app and worker in one process, started again on each change of the code.

Restate (and the demo model, without a provider key) run beside it and stay.

    python -m outlast_local.reloading
"""

import importlib
import sys
from importlib.machinery import PathFinder
from pathlib import Path

import watchfiles

from outlast.settings_errors import read_settings
from outlast_local.background import STOPS, fail, own_stack
from outlast_local.restate_binary import ROOT
from outlast_local.settings import INVALID_SETTINGS, LocalSettings
from outlast_local.signals import INTERRUPTED, interruptible
from outlast_local.stack import Stack

_OWN = ("app/outlast_app", "worker/outlast_worker", "shared/outlast")
_LOOK_EVERY_MS = 500


class Ended(Exception):
    """No change of the code would be served."""


def main() -> int:
    """Start Restate, then the process, again after each change."""
    try:
        settings = read_settings(LocalSettings)
        stack = own_stack(settings, settings.stack_dir or ROOT / ".data" / "dev")
        with interruptible(stack.stop):
            _serve(stack)
    except (Ended, *STOPS) as error:
        return fail(str(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def watched(agents: str) -> list[Path]:
    """Return the folders and files that app, worker and the module of agents are made of."""
    own = [ROOT / name for name in _OWN]
    importlib.invalidate_caches()
    # Without an import: the module may have a mistake, or only be written next.
    spec = PathFinder.find_spec(agents.partition(".")[0])
    if spec is None:
        return own
    if spec.submodule_search_locations is not None:
        return own + [
            path
            for location in spec.submodule_search_locations
            if (path := Path(location).resolve()) not in own
        ]
    # Not its whole folder, which may hold anything; what it imports lies beside it.
    return own + sorted(Path(spec.origin).resolve().parent.glob("*.py")) if spec.origin else own


def _serve(stack: Stack) -> None:
    print(f"app {stack.app_url} · Restate's UI {stack.admin_url} · Ctrl-C ends it", flush=True)
    if stack.demo_model:
        print("model: the demo model, a stand-in (no provider key found)", flush=True)
    stack.start_demo_model()
    stack.start_restate()
    while True:
        stack.start_all_in_one()
        _wait_for_change(stack)
        stack.all_in_one.terminate()


def _wait_for_change(stack: Stack) -> None:
    """Wait until a file is saved or new, and say so when nothing else is going on.

    The watch begins anew each time, since one on a file ends when an editor replaces the file.

    Raises:
        Ended: With the reason.
    """
    said = False
    agents = read_settings(LocalSettings).agents
    paths = watched(agents)
    for changes in watchfiles.watch(*paths, rust_timeout=_LOOK_EVERY_MS, yield_on_timeout=True):
        _check_use(stack)
        if changes or watched(agents) != paths:
            return
        if not said and not stack.all_in_one.running:
            print("Waiting for a change …", flush=True)
            said = True


def _check_use(stack: Stack) -> None:
    if not stack.restate.running:
        raise Ended("Restate has ended, perhaps by `make down-local`, and so this ends, too.")
    if stack.all_in_one.exit_status == INVALID_SETTINGS:
        raise Ended("Correct the settings, and start this again.")


if __name__ == "__main__":
    sys.exit(main())
