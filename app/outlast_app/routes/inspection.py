"""How a run was made: its order, its definition, its prompts. For keys with the right `inspect`."""

from fastapi import APIRouter

from outlast.errors import InvalidRequest, NotRecorded, UnknownRun
from outlast.protocol import Order, Prompt, RunDefinition
from outlast_app.auth import KeyedRoute
from outlast_app.deps import Deps
from outlast_app.openapi import BEHIND, problems
from outlast_app.routes.parameters import RunPath, Turn

router = APIRouter(tags=["runs"], route_class=KeyedRoute)

_PROBLEMS = problems(UnknownRun, NotRecorded, InvalidRequest, *BEHIND)


@router.get(
    "/runs/{run_id}/order",
    response_description="What the run was asked for.",
    responses=_PROBLEMS,
)
async def get_order(ref: RunPath, deps: Deps) -> Order:
    """Return the run's start: what it was asked, with its context and its limits."""
    return await deps.inspection.order(ref)


@router.get(
    "/runs/{run_id}/definition",
    response_description="The definition.",
    responses=_PROBLEMS,
)
async def get_definition(ref: RunPath, deps: Deps) -> RunDefinition:
    """Return what the run keeps of its agent: instructions as filled in, model, tools."""
    return await deps.inspection.definition(ref)


@router.get(
    "/runs/{run_id}/turns/{turn}/prompt",
    response_description="The prompt.",
    responses=_PROBLEMS,
)
async def get_prompt(ref: RunPath, turn: Turn, deps: Deps) -> Prompt:
    """Return what the model was sent in a turn."""
    return await deps.inspection.prompt(ref, turn)
