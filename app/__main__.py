"""`python -m app` serves the HTTP interface."""

import sys

import uvicorn
from pydantic import ValidationError
from pydantic_settings import SettingsError

from app.main import create_app
from app.settings import AppSettings
from shared.errors import DefinitionError
from shared.logging import configure_logging

_SHUTDOWN_S = 3


def main() -> int:
    """Serve until SIGTERM or SIGINT."""
    try:
        settings = AppSettings()
        configure_logging(settings.log_level, as_json=settings.log_json)
        app = create_app(settings, settings.load_registry())
    except DefinitionError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except (SettingsError, ValidationError) as error:
        sys.stderr.write(f"The settings are not valid:\n{error}\n")
        return 1
    uvicorn.run(
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
    return 0


if __name__ == "__main__":
    sys.exit(main())
