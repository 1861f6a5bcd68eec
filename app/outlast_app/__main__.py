"""`python -m outlast_app` serves the HTTP interface."""

import argparse
import socket
import sys
from contextlib import suppress

import uvicorn

from outlast.errors import DefinitionError
from outlast.logging import configure_logging
from outlast.registry import warn_of_unknown_providers
from outlast.settings_errors import InvalidSettings, read_settings
from outlast.settings_names import warn_of_slips
from outlast_app.closing import Closing
from outlast_app.main import create_app
from outlast_app.settings import AppSettings

_SHUTDOWN_S = 3


class _Server(uvicorn.Server):
    """Tells those who wait when it was told to end."""

    def __init__(self, config: uvicorn.Config, closing: Closing) -> None:
        super().__init__(config)
        self._closing = closing

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End: called on the event loop, a moment after the signal."""
        self._closing.begin()
        await super().shutdown(sockets)


def main() -> int:
    """Serve until SIGTERM or SIGINT."""
    argparse.ArgumentParser(
        prog="python -m outlast_app",
        description="Serve the HTTP interface. Settings come from the environment and .env.",
    ).parse_args()
    try:
        settings = read_settings(AppSettings)
        configure_logging(settings.log_level, as_json=settings.log_json)
        warn_of_slips(AppSettings)
        registry = settings.load_registry()
        warn_of_unknown_providers(registry)
        closing = Closing()
        app = create_app(settings, registry, closing)
    except (DefinitionError, InvalidSettings) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_SHUTDOWN_S,
    )
    server = _Server(config, closing)
    with suppress(KeyboardInterrupt):  # raised again by uvicorn after it has ended for Ctrl-C
        server.run()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
