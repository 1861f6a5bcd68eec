"""Is the process up, and can it start runs?"""

from fastapi import APIRouter

from outlast.errors import NotRegistered, RestateUnavailable
from outlast.protocol import Health, Readiness
from outlast_app.deps import Deps
from outlast_app.openapi import problems_without_key

router = APIRouter(tags=["health"])


@router.get("/healthz", response_description="It is up.", responses=problems_without_key())
async def healthz() -> Health:
    """Tell that the process is up."""
    return Health()


@router.get(
    "/readyz",
    response_description="Runs can be started.",
    responses=problems_without_key(RestateUnavailable, NotRegistered),
)
async def readyz(deps: Deps) -> Readiness:
    """Tell whether Restate answers and the worker is registered, and which agents differ."""
    return await deps.readiness.check()


# Some load balancers ask so.
for path, check in (("/healthz", healthz), ("/readyz", readyz)):
    router.head(path, include_in_schema=False)(check)
