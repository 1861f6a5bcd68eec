"""Is the process up, and can it start runs?"""

from fastapi import APIRouter, Request

from outlast.errors import AdminUnavailable, NotRegistered, RestateUnavailable
from outlast.logging import get_logger
from outlast.protocol import Health, Readiness
from outlast_app.deps import AppParts
from outlast_app.openapi import problems_without_key

router = APIRouter(tags=["health"])
_logger = get_logger()
_RETRY_AFTER = {"Retry-After": "1"}


@router.get("/healthz", responses=problems_without_key())
async def healthz() -> Health:
    """Tell that the process is up."""
    return Health()


@router.get("/readyz", responses=problems_without_key(RestateUnavailable, NotRegistered))
async def readyz(request: Request) -> Readiness:
    """Tell whether Restate answers and the worker is registered, and which agents differ."""
    parts = AppParts.of(request)
    if not await parts.ingress.healthy():
        raise RestateUnavailable(
            f"Restate's ingress does not answer at {parts.settings.restate_ingress_url}.",
            headers=_RETRY_AFTER,
        )
    try:
        served = await parts.admin.digests(parts.registry.names())
    except AdminUnavailable as error:
        # Runs go on without the admin API, so the app stays ready; only drift is not seen.
        _logger.warning("registration_not_checked", reason=str(error))
        return Readiness()
    if not any(served.values()):
        raise NotRegistered(
            "Restate knows no agent of this app. Run `make register`.", headers=_RETRY_AFTER
        )
    drift = [name for name, digest in parts.registry.digests().items() if served[name] != digest]
    if drift:
        _logger.warning("agents_differ", agents=drift)
    return Readiness(drift=drift)
