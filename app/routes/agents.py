"""What agents there are."""

from fastapi import APIRouter, Request

from app.auth import KeyedRoute, Tenant
from app.parts import AppParts
from shared.errors import UnknownAgent
from shared.protocol import AgentDescription, AgentPage

router = APIRouter(tags=["agents"], route_class=KeyedRoute)


@router.get("/agents")
async def list_agents(request: Request, _tenant: Tenant) -> AgentPage:
    """List the agents."""
    registry = AppParts.of(request).registry
    return AgentPage(items=[registry.describe(agent) for agent in registry])


@router.get("/agents/{agent}")
async def get_agent(agent: str, request: Request, _tenant: Tenant) -> AgentDescription:
    """Describe an agent: model, tools with their schemas, digest."""
    registry = AppParts.of(request).registry
    definition = registry.get(agent)
    if definition is None:
        names = ", ".join(registry.names())
        raise UnknownAgent(f"There is no agent {agent!r}. The agents are: {names}.")
    return registry.describe(definition)
