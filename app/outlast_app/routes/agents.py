"""What agents there are."""

from fastapi import APIRouter, Request

from outlast.errors import InvalidRequest, UnknownAgent
from outlast.protocol import AgentDescription, AgentPage
from outlast_app.auth import KeyedRoute, Tenant
from outlast_app.cursors import CursorText, Limit, position
from outlast_app.deps import AppParts
from outlast_app.openapi import problems

router = APIRouter(tags=["agents"], route_class=KeyedRoute)


@router.get("/agents", responses=problems(InvalidRequest))
async def list_agents(
    request: Request, _tenant: Tenant, limit: Limit = 20, cursor: CursorText = None
) -> AgentPage:
    """List the agents, in the order in which they are registered."""
    registry = AppParts.of(request).registry
    after = position(cursor)
    agents = list(registry)[after:]
    return AgentPage(
        items=[registry.describe(agent) for agent in agents[:limit]],
        next_cursor=str(after + limit) if len(agents) > limit else None,
    )


@router.get("/agents/{agent}", responses=problems(UnknownAgent, InvalidRequest))
async def get_agent(agent: str, request: Request, _tenant: Tenant) -> AgentDescription:
    """Describe an agent: model, tools with their schemas, digest."""
    registry = AppParts.of(request).registry
    definition = registry.get(agent)
    if definition is None:
        names = ", ".join(registry.names())
        raise UnknownAgent(f"There is no agent {agent!r}. The agents are: {names}.")
    return registry.describe(definition)
