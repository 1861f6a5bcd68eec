"""What agents there are."""

from fastapi import APIRouter

from outlast.errors import InvalidRequest, UnknownAgent
from outlast.protocol import AgentDescription, AgentPage
from outlast_app.auth import KeyedRoute, Tenant
from outlast_app.cursors import position
from outlast_app.deps import Deps
from outlast_app.openapi import problems
from outlast_app.routes.parameters import AgentName, CursorText, Limit
from outlast_app.runs.orders import find_agent

router = APIRouter(tags=["agents"], route_class=KeyedRoute)


@router.get("/agents", response_description="A page of them.", responses=problems(InvalidRequest))
async def list_agents(
    deps: Deps, _tenant: Tenant, limit: Limit = 20, cursor: CursorText = None
) -> AgentPage:
    """List the agents, in the order in which they are registered."""
    after = position(cursor)
    agents = list(deps.registry)[after:]
    return AgentPage(
        items=[deps.registry.describe(agent) for agent in agents[:limit]],
        next_cursor=str(after + limit) if len(agents) > limit else None,
    )


@router.get(
    "/agents/{agent}",
    response_description="The agent.",
    responses=problems(UnknownAgent, InvalidRequest),
)
async def get_agent(agent: AgentName, deps: Deps, _tenant: Tenant) -> AgentDescription:
    """Describe an agent: model, tools with their schemas, digest."""
    return deps.registry.describe(find_agent(deps.registry, agent))
