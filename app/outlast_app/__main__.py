"""`python -m outlast_app` serves the HTTP interface."""

import argparse
import gc
import sys
from contextlib import suppress

from outlast.errors import DefinitionError
from outlast.logging import configure_logging
from outlast.registry import warn_of_unknown_providers
from outlast.settings_errors import InvalidSettings, read_settings
from outlast.settings_names import warn_of_slips
from outlast_app.closing import Closing
from outlast_app.main import create_app
from outlast_app.server import AppServer
from outlast_app.settings import AppSettings


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
    server = AppServer(app, closing, host=settings.host, port=settings.port)
    # What is there now stays, and most of what comes is freed without the collector's help: it
    # looks less often, and only at the rest.
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    with suppress(KeyboardInterrupt):  # raised again by uvicorn after it has ended for Ctrl-C
        server.run()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
