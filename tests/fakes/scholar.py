"""An agent that reads skills, and searches its tools."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from outlast import Agent, Tool


def make_scholar(tools: Sequence[Tool[..., Any]]) -> Agent:
    return Agent(
        name="scholar",
        instructions="Do what the test says.",
        skills=[Path("skills")],
        tools=tools,
        search_tools=True,
    )
