"""OpenAI's API over the same runs: its clients reach agents as models, with another base URL."""

from typing import cast

from fastapi import FastAPI, Request
from fastapi.responses import Response

from outlast_app.errors import add_error_handlers
from outlast_app.facades.openai import chat, conversations, models, responses
from outlast_app.facades.openai.errors import Refused, show_problem, show_refused

_DESCRIPTION = """\
Agents as models of OpenAI's API. What is not here, and what each field means for a run, is in
`docs/openai.md`."""


def create_openai() -> FastAPI:
    """Make the sub-application."""
    app = FastAPI(title="Outlast: OpenAI's API", description=_DESCRIPTION, redirect_slashes=False)
    for module in (models, chat, responses, conversations):
        app.include_router(module.router)
    add_error_handlers(app, show_problem)
    app.add_exception_handler(Refused, _on_refused)
    return app


async def _on_refused(_request: Request, error: Exception) -> Response:
    return show_refused(cast("Refused", error))
