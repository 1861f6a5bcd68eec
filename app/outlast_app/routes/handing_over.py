"""Answers to what is handed over to a run: it counts, or the next worker takes it."""

from fastapi import Response
from pydantic import BaseModel

from outlast.names import RunRef
from outlast_app.openapi import Responses, headers


def handed_over(kind: type[BaseModel], what: str) -> Responses:
    """Describe the answer where no worker was there."""
    return {
        202: {
            "model": kind,
            "description": f"{what}, for which no worker was there: the next one takes it.",
            "headers": headers(Location="Where the run is read."),
        }
    }


def answer_for(ref: RunRef, said: BaseModel, *, counts: bool) -> Response:
    """Answer 200 with what counts; 202, and where the run is read, with what was handed over."""
    return Response(
        said.model_dump_json(),
        status_code=200 if counts else 202,
        headers={} if counts else {"Location": f"/runs/{ref.run_id}"},
        media_type="application/json",
    )
