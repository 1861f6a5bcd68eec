"""What agents there are."""

from fastapi import APIRouter

from outlast.agent import Agent
from outlast.errors import InvalidRequest, UnknownAgent
from outlast.protocol import AgentDescription, AgentPage
from outlast_app.auth import KeyedRoute, KnownCaller
from outlast_app.cursors import position
from outlast_app.deps import Dependencies, Deps
from outlast_app.keyring import Caller
from outlast_app.openapi import problems
from outlast_app.routes.parameters import AgentName, CursorText, Limit
from outlast_app.runs.orders import find_agent

router = APIRouter(tags=["agents"], route_class=KeyedRoute)


@router.get("/agents", response_description="A page of them.", responses=problems(InvalidRequest))
async def list_agents(
    deps: Deps, caller: KnownCaller, limit: Limit = 20, cursor: CursorText = None
) -> AgentPage:
    """List the agents, in the order in which they are registered."""
    after = position(cursor)
    agents = list(deps.registry)[after:]
    return AgentPage(
        items=[_describe(deps, agent, caller) for agent in agents[:limit]],
        next_cursor=str(after + limit) if len(agents) > limit else None,
    )


@router.get(
    "/agents/{agent}",
    response_description="The agent.",
    responses=problems(UnknownAgent, InvalidRequest),
)
async def get_agent(agent: AgentName, deps: Deps, caller: KnownCaller) -> AgentDescription:
    """Describe an agent: model, tools, digest; to who may inspect it, its definition as well."""
    return _describe(deps, find_agent(deps.registry, agent), caller)


def _describe(deps: Dependencies, agent: Agent, caller: Caller) -> AgentDescription:
    described = deps.registry.describe(agent)
    return described if "inspect" in caller.rights else described.without_definition()
