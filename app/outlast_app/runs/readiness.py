"""Can runs be started?"""

from outlast.errors import AdminUnavailable, NotRegistered, RestateUnavailable
from outlast.logging import get_logger
from outlast.protocol import Readiness
from outlast.registry import Registry
from outlast_app.restate.admin import Admin
from outlast_app.restate.ingress import Ingress

_logger = get_logger()


class ReadinessCheck:
    """Looks at what stands behind the app."""

    def __init__(self, registry: Registry, ingress: Ingress, admin: Admin) -> None:
        self._registry = registry
        self._ingress = ingress
        self._admin = admin

    async def check(self) -> Readiness:
        """Tell which agents differ between app and worker.

        Raises:
            RestateUnavailable: The ingress does not answer.
            NotRegistered: Restate knows none of the app's agents.
        """
        if not await self._ingress.healthy():
            raise RestateUnavailable(
                f"Restate's ingress does not answer at {self._ingress.address.url}."
            )
        try:
            served = await self._admin.digests(self._registry.names())
        except AdminUnavailable as error:
            # Runs go on without the admin API, so the app stays ready; only drift is not seen.
            _logger.warning("registration_not_checked", reason=str(error))
            return Readiness()
        if not any(served.values()):
            raise NotRegistered("Restate knows no agent of this app. Run `make register`.")
        drift = [
            name for name, digest in self._registry.digests().items() if served[name] != digest
        ]
        if drift:
            _logger.warning("agents_differ", agents=drift)
        return Readiness(drift=drift)
