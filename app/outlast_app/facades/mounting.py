"""Which other protocols the app speaks, and where: each is a sub-application.

It has its own prefix, its own shape of errors and its own OpenAPI page (`<prefix>/docs`).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from fastapi import FastAPI
from starlette.routing import Mount

from outlast_app.deps import Dependencies
from outlast_app.facades.ag_ui.app import create_ag_ui
from outlast_app.facades.ai_sdk.app import create_ai_sdk
from outlast_app.facades.openai.app import create_openai
from outlast_app.settings import ProtocolName


class Facade(NamedTuple):
    """A protocol: where it is served, and what makes its sub-application."""

    prefix: str
    create: Callable[[], FastAPI]


FACADES: Mapping[ProtocolName, Facade] = {
    "openai": Facade("/v1", create_openai),
    "ag-ui": Facade("/ag-ui", create_ag_ui),
    "ai-sdk": Facade("/ai-sdk", create_ai_sdk),
}


def mount(app: FastAPI, names: Iterable[ProtocolName]) -> None:
    """Have the app speak these protocols; `provide` comes before the first request."""
    for name in dict.fromkeys(names):
        app.mount(FACADES[name].prefix, FACADES[name].create(), name)


def provide(app: FastAPI, dependencies: Dependencies) -> None:
    """Give the app and all that is mounted what requests are served with."""
    mounted = [route.app for route in app.routes if isinstance(route, Mount)]
    for each in [app, *mounted]:
        if isinstance(each, FastAPI):
            each.state.dependencies = dependencies
