"""AG-UI over the same runs: what CopilotKit and other AG-UI clients speak."""

from fastapi import FastAPI
from fastapi.responses import Response
from pydantic_core import to_json

from outlast.errors import Problem
from outlast_app.errors import add_error_handlers
from outlast_app.facades.ag_ui import running
from outlast_app.facades.faults import fault_of
from outlast_app.openapi import PROBLEM_TYPE

_DESCRIPTION = """\
Conversations with agents for clients of AG-UI 1.0. What each field means for a run is in
`docs/ag-ui.md`."""


def create_ag_ui() -> FastAPI:
    """Make the sub-application."""
    app = FastAPI(title="Outlast: AG-UI", description=_DESCRIPTION, redirect_slashes=False)
    app.include_router(running.router)
    add_error_handlers(app, _show)
    return app


def _show(problem: Problem) -> Response:
    """Return the problem itself: the protocol has no errors of its own before a stream."""
    status = fault_of(problem).status
    document = {**problem.document, "status": status}
    return Response(to_json(document), status, headers=problem.headers, media_type=PROBLEM_TYPE)
