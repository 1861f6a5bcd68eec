"""The AI SDK's UI message stream over the same runs: what `useChat` and its kin speak."""

from fastapi import FastAPI
from fastapi.responses import Response
from pydantic_core import to_json

from outlast.errors import Problem
from outlast_app.errors import add_error_handlers
from outlast_app.facades.ai_sdk import chat
from outlast_app.facades.faults import fault_of
from outlast_app.openapi import PROBLEM_TYPE

_DESCRIPTION = """\
Chats with agents for `useChat` of the AI SDK, versions 6 and 7. What each field means for a run is
in `docs/ai-sdk.md`."""


def create_ai_sdk() -> FastAPI:
    """Make the sub-application."""
    app = FastAPI(title="Outlast: AI SDK", description=_DESCRIPTION, redirect_slashes=False)
    app.include_router(chat.router)
    add_error_handlers(app, _show)
    return app


def _show(problem: Problem) -> Response:
    """Return the problem itself: the SDK shows its user the text of an answer that is no stream."""
    status = fault_of(problem).status
    document = {**problem.document, "status": status}
    return Response(to_json(document), status, headers=problem.headers, media_type=PROBLEM_TYPE)
