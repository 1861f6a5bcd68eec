"""What the OpenAPI document says beyond what FastAPI reads off the routes."""

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, RootModel
from pydantic.json_schema import models_json_schema

from outlast.errors import (
    BadGateway,
    InternalProblem,
    MissingRight,
    NotRegistered,
    Problem,
    RestateUnavailable,
    Unauthorized,
    WorkerUnavailable,
    problem_types,
)
from outlast.events import AnyEvent, AnyLiveEvent
from outlast.protocol import (
    AddMessages,
    CallResult,
    ChangeThread,
    CreateThread,
    Decision,
    ForkRun,
    ProblemDocument,
    Run,
    SignalValue,
    StartRun,
    SteerRun,
    WebhookEvent,
)
from outlast_app.probes import PROBES

PROBLEM_TYPE = "application/problem+json"

# What may be wrong with a call that goes on to Restate.
BEHIND: tuple[type[Problem], ...] = (
    BadGateway,
    RestateUnavailable,
    WorkerUnavailable,
    NotRegistered,
)
_ANYWHERE: tuple[type[Problem], ...] = (Unauthorized, MissingRight, InternalProblem)
_RETRY_AFTER = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}},
}

_BODIES = (
    StartRun,
    ForkRun,
    SteerRun,
    Decision,
    CallResult,
    SignalValue,
    CreateThread,
    ChangeThread,
    AddMessages,
    WebhookEvent,
)
# Described here, since FastAPI would read the header, too, and the keyring does.
_BY_KEY = {
    "HTTPBearer": {
        "type": "http",
        "description": "A key of `APP_KEYS`, if there are any.",
        "scheme": "bearer",
    }
}
_REFERENCE = "#/components/schemas/{model}"

Responses = dict[int | str, dict[str, Any]]


class StreamEvent(RootModel[AnyEvent | AnyLiveEvent]):
    """The `data:` of a server-sent event: a committed one, whose `id:` is `seq`, or a live one."""


def problems(*kinds: type[Problem]) -> Responses:
    """Describe the problems of a call with a key, one entry per status."""
    return _described([*_ANYWHERE, *kinds])


def problems_without_key(*kinds: type[Problem]) -> Responses:
    """Describe the problems of a call that anybody may make."""
    return _described([InternalProblem, *kinds])


def takes(body: type[BaseModel]) -> dict[str, Any]:
    """Describe the body of a call, which FastAPI does not read."""
    return {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"$ref": _REFERENCE.format(model=body.__name__)}}
            },
        }
    }


BY_METADATA: dict[str, Any] = {
    "parameters": [
        {
            "name": "metadata.NAME",
            "in": "query",
            "required": False,
            "schema": {"type": "string"},
            "description": "Only those that have this text under NAME in their `metadata`, such as "
            "`metadata.ticket=4711`. Of several names, those that have all.",
        }
    ]
}
"""Describes the filter that has the names of whoever asks."""


def headers(**described: str) -> dict[str, Any]:
    """Describe headers of an answer, named as in `Content_Location`."""
    return {
        name.replace("_", "-"): {"description": text, "schema": {"type": "string"}}
        for name, text in described.items()
    }


def accepted(**described: str) -> Responses:
    """Describe the answer for a run that goes on."""
    return {
        202: {
            "model": Run,
            "description": "The run so far: it goes on.",
            "headers": headers(**described),
        }
    }


def add_openapi(app: FastAPI) -> None:
    """Have the app describe itself: which problems there are, and what its answers really are."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = get_openapi(
                title=app.title,
                version=app.version,
                description=f"{app.description}\n\n{_table()}",
                tags=app.openapi_tags,
                routes=app.routes,
                webhooks=app.webhooks.routes,
            )
            _, bodies = models_json_schema(
                [(body, "validation") for body in _BODIES], ref_template=_REFERENCE
            )
            components = app.openapi_schema["components"]
            components["securitySchemes"] = _BY_KEY
            schemas = components["schemas"]
            schemas |= {name: of for name, of in bodies["$defs"].items() if name not in schemas}
            # Pydantic's own, which it describes in no other way.
            schemas["JsonValue"]["description"] = "Any JSON."
            for path, operations in app.openapi_schema["paths"].items():
                for operation in operations.values():
                    if path not in PROBES:
                        operation["security"] = [{scheme: [] for scheme in _BY_KEY}]
                    _name_media_types(operation["responses"])
        return app.openapi_schema

    app.openapi = describe


def _described(kinds: Iterable[type[Problem]]) -> Responses:
    by_status: dict[int | str, list[type[Problem]]] = {}
    for kind in kinds:
        by_status.setdefault(kind.status, []).append(kind)
    return {
        status: {
            "model": ProblemDocument,
            "description": " ".join(f"`{kind.slug}`: {kind.title}." for kind in same),
            **({"headers": _RETRY_AFTER} if any(kind.retry_after_s for kind in same) else {}),
        }
        for status, same in by_status.items()
    }


def _table() -> str:
    rows = [f"| `{kind.slug}` | {kind.status} | {kind.title} |" for kind in problem_types()]
    return "\n".join(["| error `type` | status | |", "|---|---|---|", *rows])


def _name_media_types(responses: dict[str, dict[str, Any]]) -> None:
    """Give problems the type that they are sent with: FastAPI knows one for all of a route."""
    for status, response in responses.items():
        if int(status) >= 400:
            [described] = response["content"].values()
            response["content"] = {PROBLEM_TYPE: described}
