"""Can runs be started?"""

import asyncio
from collections.abc import Mapping

from outlast.errors import AdminUnavailable, NotRegistered, RestateUnavailable
from outlast.logging import get_logger
from outlast.protocol import Readiness
from outlast.registry import Registry
from outlast_app.restate.admin import Admin
from outlast_app.restate.ingress import Ingress

# Probes give up after a second, Kubernetes' for one, and would not hear what is wrong.
_TIMEOUT_S = 0.7
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
            RestateUnavailable: The ingress does not answer, or Restate has lost its storage.
            NotRegistered: Restate knows none of the app's agents.
        """
        healthy, seen = await asyncio.gather(
            self._ingress.healthy(_TIMEOUT_S), self._ask_admin_api()
        )
        if not healthy:
            raise RestateUnavailable(
                f"Restate's ingress does not answer at {self._ingress.address.url}."
            )
        if seen is None:
            # Runs go on without the admin API, so the app stays ready; only drift is not seen.
            return Readiness()
        served, fault = seen
        if fault:
            raise RestateUnavailable(
                "Restate can't use its storage: it starts, or its disk is full. Make room, and it "
                f"goes on by itself within a minute. It said: {fault}"
            )
        if not any(served.values()):
            raise NotRegistered(
                f"Restate knows no agent of this app. Register its worker: {NotRegistered.how}."
            )
        drift = [
            name for name, digest in self._registry.digests().items() if served[name] != digest
        ]
        if drift:
            _logger.warning("agents_differ", agents=drift)
        return Readiness(drift=drift)

    async def _ask_admin_api(self) -> tuple[Mapping[str, str | None], str | None] | None:
        """Return what is registered, and what is wrong with the storage; None if nobody says."""
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                return await asyncio.gather(
                    self._admin.digests(self._registry.names()), self._admin.storage_fault()
                )
        except AdminUnavailable as error:
            reason = error.detail
        except TimeoutError:
            reason = f"Restate's admin API did not answer within {_TIMEOUT_S:g} s."
        _logger.warning("registration_not_checked", reason=reason)
        return None
