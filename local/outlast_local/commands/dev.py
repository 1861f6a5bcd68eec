"""`outlast dev`: app, worker and Restate in the foreground, with reload."""

from outlast_cli.output import say
from outlast_local.commands import command
from outlast_local.reloading import develop


@command
def dev() -> None:
    """Run app, worker and Restate here, with reload.

    Serves the agents of AGENTS (in .env, or the environment) from this folder, and starts again
    when its code or .env changes. breakpoint() in a tool stops there, at this terminal, and no
    timeout runs out meanwhile. Data and logs are in .outlast.
    """
    develop(say)
