"""Names in the environment and `.env` that were most likely meant for settings.

App and worker log them, but hardly anybody reads the log of what works, and of a name that the
stack itself sets they see nothing.
"""

from outlast.settings_names import slips, variables
from outlast_app.settings import AppSettings
from outlast_local.settings import LocalSettings
from outlast_worker.settings import WorkerSettings

_KINDS = (AppSettings, WorkerSettings, LocalSettings)


def misspelt_settings() -> list[str]:
    """Return a sentence for each."""
    known = {name for kind in _KINDS for name in variables(kind)}
    found = dict.fromkeys(slip for kind in _KINDS for slip in slips(kind))
    return [
        f"{slip.given} is not a setting; did you mean {slip.meant}?"
        for slip in found
        if slip.given not in known
    ]
