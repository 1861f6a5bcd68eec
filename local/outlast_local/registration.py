"""What the registration of a worker logs, for the terminal."""

import json
from typing import Any

from outlast_cli.program import outlast


def as_sentence(line: str) -> str:
    """Write a record of the worker's log as a sentence for the terminal."""
    record: dict[str, Any] = json.loads(line)
    agent = record.get("agent")
    if record["event"] == "durable_tools_removed_with_calls":
        return (
            f"{record['calls']} calls of durable tools of {agent} have not ended, and {agent} has "
            "no such tools any more. Bring them back and let the calls end, or cancel their runs."
        )
    if record["event"] != "agent_removed_with_runs":
        return line
    return (
        f"The agent {agent} is gone, but {record['runs']} of its runs have not ended: "
        f"{record['effect']}. Bring it back and let them end, or cancel them then: "
        f"`{outlast('runs', '--agent', str(agent))}` lists them, `{outlast('cancel', 'RUN')}` ends "
        "one."
    )
