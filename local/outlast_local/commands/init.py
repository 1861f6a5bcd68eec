"""`outlast init`: a project to start with."""

from pathlib import Path
from typing import Annotated

import typer

from outlast_local.commands import command
from outlast_local.new_project import write_project


@command
def init(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Of the project, its folder and its package.")
    ],
) -> None:
    """Write a project to start with.

    Agents, tools, their tests, and containers to run them in, with NAME as the name of all.
    """
    write_project(Path(name))
    typer.echo(
        f"{name}/ is written: two agents with tools in {name}/{name}/, and their tests.\n\n"
        f"  cd {name}\n"
        f"  pip install -r requirements.txt   # pytest, too\n"
        f"  outlast dev\n\n"
        "Its README.md says what is where."
    )
