"""What the processes of a local stack take from the environment of who started it."""

import os
from collections.abc import Mapping
from pathlib import Path

from outlast.providers import secret_variables
from outlast_local.breakpoints import DAY_S, HOOK

# What a hermetic stack takes: no key, no setting.
_HERMETIC = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
_LOOPBACK = ("127.0.0.1", "localhost")


def inherited_environment(project: Path | None) -> dict[str, str]:
    """Return the caller's environment for a project's processes; without a project, a bare one."""
    if project is None:
        inherited = {name: os.environ[name] for name in _HERMETIC if name in os.environ}
    else:
        inherited = {**os.environ, **_import_path(project)}
    return {**inherited, **_without_proxy(inherited)}


def without_provider_keys(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what is left for processes that ask no model: the worker alone does."""
    secret = secret_variables(environment.get("MODEL", ""))
    return {name: value for name, value in environment.items() if name not in secret}


def with_breakpoints(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what gives somebody time at a breakpoint, unless they have a debugger of their own."""
    return {
        "PYTHONBREAKPOINT": environment.get("PYTHONBREAKPOINT") or HOOK,
        # Else Restate takes a run that stands for a lost one, and repeats it.
        "WORKER_INACTIVITY_TIMEOUT_S": environment.get("WORKER_INACTIVITY_TIMEOUT_S") or str(DAY_S),
    }


def _without_proxy(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what keeps calls on this machine off a proxy, beside those that are kept off it."""
    given = (environment.get(name, "") for name in ("NO_PROXY", "no_proxy"))
    listed = ",".join((*given, *_LOOPBACK)).split(",")
    names = dict.fromkeys(name.strip() for name in listed if name.strip())
    # In a list a star is but a name.
    value = "*" if "*" in names else ",".join(names)
    return {"NO_PROXY": value, "no_proxy": value}


def _import_path(project: Path) -> dict[str, str]:
    """Return what lets a process import the project's modules, and those that the caller has."""
    given = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join((str(project), *((given,) if given else ())))}
