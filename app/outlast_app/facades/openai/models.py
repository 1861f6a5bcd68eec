"""`/v1/models`: the agents, as models that a client can choose from."""

from typing import Any

from fastapi import APIRouter

from outlast_app.facades.openai.keys import OpenAiRoute
from outlast_app.facades.requests import Asking

router = APIRouter(tags=["models"], route_class=OpenAiRoute)

_CREATED_S = 1_767_225_600  # agents have no date; the first of 2026 does for all


@router.get("/models")
async def list_models(asked: Asking) -> dict[str, Any]:
    """List the agents: each is asked for as a `model`."""
    names = asked.deps.registry.names()
    return {"object": "list", "data": [_model(name) for name in names]}


@router.get("/models/{model}")
async def get_model(model: str, asked: Asking) -> dict[str, Any]:
    """Return one of them."""
    return _model(asked.agent(model).name)


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _CREATED_S, "owned_by": "outlast"}
