"""What an agent can do, in the protocol's words."""

from typing import Any

from outlast.protocol import AgentDescription


def capabilities_of(agent: AgentDescription) -> dict[str, Any]:
    """Return what `getCapabilities` of a client tells."""
    identity = {"name": agent.name, "type": "outlast"}
    if agent.description:
        identity["description"] = agent.description
    tools = [
        {
            "name": tool.name,
            "description": tool.description or tool.name,
            **({"parameters": tool.parameters} if tool.parameters else {}),
        }
        for tool in agent.tools
    ]
    may_have_schema = agent.output_schema is not None or "output_schema" in agent.overrides
    return {
        "identity": identity,
        "transport": {
            "streaming": True,
            "websocket": False,
            "httpBinary": False,
            "pushNotifications": False,
            "resumable": True,
        },
        "tools": {
            "supported": True,
            "items": tools,
            "parallelCalls": True,
            "clientProvided": "client_tools" in agent.overrides,
        },
        "output": {"structuredOutput": may_have_schema},
        "state": {"snapshots": False, "deltas": False, "memory": True, "persistentState": False},
        "multiAgent": {"supported": bool(agent.handoffs), "handoffs": bool(agent.handoffs)},
        "reasoning": {"supported": True, "streaming": True, "encrypted": False},
        "multimodal": {"input": {"image": True, "audio": False, "video": False, "file": True}},
        "humanInTheLoop": {
            "supported": True,
            "approvals": True,
            "interrupts": True,
            "approveWithEdits": True,
        },
    }
