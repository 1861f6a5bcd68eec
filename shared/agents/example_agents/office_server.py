"""An MCP server of 200 tools: a back office's papers. `python -m example_agents.office_server`.

As servers are that somebody has put before an older system: a few tools for each kind of thing.
"""

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations

_KINDS = """
    absence, address, appointment, assembly, audit, budget, campaign, catalogue, certificate,
    complaint, contract, customer, delivery, discount, employee, expense, fitting, forecast,
    holiday, insurance, invoice, lease, licence, meeting, offer, order, payment, payslip, permit,
    price, quote, reminder, repair, reservation, return, salary, shipment, supplier, survey, vehicle
"""
_NUMBERS = range(1, 4)
"""Of the papers of each kind."""

server = MCPServer("office", instructions="Papers of a furniture shop's back office.")


def _look_up(kind: str, number: int) -> str:
    if number not in _NUMBERS:
        raise ToolError(f"There is no {kind} {number}; there are 1 to {_NUMBERS[-1]}.")
    return f"{kind} {number}: filed in 202{number} by the back office"


def _offer(kind: str) -> None:
    """Add the tools for the papers of one kind."""
    hints = ToolAnnotations(read_only_hint=True)

    @server.tool(
        f"{kind}_list", description=f"List the papers of the kind {kind}.", annotations=hints
    )
    def list_all() -> list[str]:
        return [_look_up(kind, number) for number in _NUMBERS]

    @server.tool(f"{kind}_find", description=f"Look up one {kind} by number.", annotations=hints)
    def find(number: int) -> str:
        return _look_up(kind, number)

    @server.tool(
        f"{kind}_count", description=f"Count papers of the kind {kind}.", annotations=hints
    )
    def count() -> int:
        return len(_NUMBERS)

    @server.tool(f"{kind}_newest", description=f"Show the {kind} filed last.", annotations=hints)
    def show_newest() -> str:
        return _look_up(kind, _NUMBERS[-1])

    @server.tool(f"{kind}_oldest", description=f"Show the {kind} filed first.", annotations=hints)
    def show_oldest() -> str:
        return _look_up(kind, _NUMBERS[0])


for each in _KINDS.split(","):
    _offer(each.strip())


if __name__ == "__main__":
    server.run()
