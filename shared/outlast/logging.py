"""One log format for both processes: an event name in snake_case plus keys."""

import logging
import sys
from contextlib import AbstractContextManager
from typing import Any

import orjson

from outlast.leaving_out import leaving_out

# Where rich is, structlog imports it, for tracebacks that show too much: 3 MB in each process.
with leaving_out("rich"):
    import structlog
    from structlog.typing import EventDict, Processor

# At DEBUG these say what nobody asked for, and some of it is message text.
_NOISY = (
    "LiteLLM",
    "LiteLLM Router",
    "LiteLLM Proxy",
    "asyncio",
    "hpack",
    "httpcore",
    "httpx",
    "openai",
)


def configure_logging(level: str, *, as_json: bool | None = None) -> None:
    """Send structlog's and the standard library's records to stderr in one format.

    Args:
        level: Such as `INFO`.
        as_json: JSON lines; None means unless stderr is a terminal.
    """
    as_json = not sys.stderr.isatty() if as_json is None else as_json
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer(serializer=_to_json)
        if as_json
        # The default may be one that shows the values of variables: keys and messages.
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    )
    last: list[Processor] = [structlog.processors.format_exc_info] if as_json else []
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level.upper()),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _name_of_logger],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *last,
                renderer,
            ],
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


def get_logger() -> structlog.stdlib.BoundLogger:
    """Return a logger; `logger.info("run_started", run_id=…)`."""
    return structlog.get_logger()


def bound_in_logs(**keys: Any) -> AbstractContextManager[None]:
    """Return a context in which all records carry these keys."""
    return structlog.contextvars.bound_contextvars(**keys)


def _to_json(value: EventDict, **_: Any) -> str:
    return orjson.dumps(value, default=str).decode()


def _name_of_logger(logger: Any, _method: str, event: EventDict) -> EventDict:
    event["logger"] = getattr(logger, "name", None) or event["_record"].name
    return event
