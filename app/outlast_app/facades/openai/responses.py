"""`/v1/responses`: a response is a segment of a run; it is made, read, streamed, ended here."""

from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic_core import from_json, to_json

from outlast.errors import RunEnded
from outlast_app.bodies import read_open_body
from outlast_app.facades.openai.errors import Refused, renaming
from outlast_app.facades.openai.keys import OpenAiRoute
from outlast_app.facades.openai.response_encoder import ResponseEncoder
from outlast_app.facades.openai.response_items import input_items, page_of
from outlast_app.facades.openai.response_known import facts_of, find_response, items_of, told
from outlast_app.facades.openai.response_requests import ResponseRequest
from outlast_app.facades.openai.response_start import begin_response
from outlast_app.facades.positions import Numbers
from outlast_app.facades.requests import Asking, name_run
from outlast_app.facades.streams import RunStream, read_whole

router = APIRouter(tags=["responses"], route_class=OpenAiRoute)

_NAMES = {"client_tools": "tools", "output_schema": "text.format"}
_CANCEL_WAIT_S = 2.0
ResponseId = Annotated[str, Path(description="The `id` of a response.")]


@router.post("/responses")
async def create_response(request: Request, asked: Asking) -> Response:
    """Make a response: by a new run, or by one that waits for what the input answers."""
    body = await read_open_body(request, ResponseRequest)
    body.check()
    raw = await asked.beside_loop(from_json, await request.body())
    if body.stream:
        asked.hold_stream()
    with renaming(_NAMES):
        begun = await begin_response(asked, body, raw)
    headers = name_run(request, begun.ref)
    facts = facts_of(begun.run, begun.segment)
    encoder = ResponseEncoder(facts)
    if body.stream:
        return RunStream(asked, begun.ref, encoder, headers)
    if not body.background:
        await read_whole(asked, begun.ref, encoder, asked.deps.settings.protocol_wait_s)
    return _answer(encoder.response(), headers)


@router.post("/responses/compact", include_in_schema=False)
@router.post("/responses/input_tokens", include_in_schema=False)
async def refuse() -> None:
    """Refuse what nobody needs: runs look after the length of what models read themselves."""
    raise Refused("unsupported", "This is not part of what agents do here.", status=404)


@router.get("/responses/{response_id}")
async def get_response(
    response_id: ResponseId,
    request: Request,
    asked: Asking,
    *,
    stream: bool = False,
    starting_after: Annotated[int | None, Query(ge=0)] = None,
) -> Response:
    """Return a response as it stands, or stream its events, from any of them on."""
    known = await find_response(asked, response_id)
    headers = name_run(request, known.ref)
    facts = facts_of(known.run, known.segment)
    if not stream:
        return _answer(await told(asked, known, facts), headers)
    after = -1 if starting_after is None else starting_after
    encoder = ResponseEncoder(facts, after)
    return RunStream(asked, known.ref, encoder, headers, mark=Numbers.read(after))


@router.post("/responses/{response_id}/cancel")
async def cancel_response(response_id: ResponseId, request: Request, asked: Asking) -> Response:
    """Cancel the run of a response; of one that has ended, return it as it is.

    Who may not read is told how it stands, and no more.
    """
    known = await find_response(asked, response_id)
    headers = name_run(request, known.ref)
    with suppress(RunEnded):
        await asked.deps.runs.cancel(known.ref, asked.trace)
        await asked.deps.reader.wait(known.ref, _CANCEL_WAIT_S)
        known = await find_response(asked, response_id)
    response = await told(asked, known, facts_of(known.run, known.segment))
    if "read" not in asked.caller.rights:
        response = {name: response[name] for name in ("id", "object", "status")}
    return _answer(response, headers)


@router.delete("/responses/{response_id}")
async def delete_response(response_id: ResponseId, asked: Asking) -> dict[str, Any]:
    """Forget the run of a response, which has ended."""
    known = await find_response(asked, response_id)
    await asked.deps.deletion.run(known.ref)
    return {"id": response_id, "object": "response", "deleted": True}


@router.get("/responses/{response_id}/input_items")
async def list_input_items(
    response_id: ResponseId,
    asked: Asking,
    *,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: str = "desc",
    after: str | None = None,
) -> dict[str, Any]:
    """List what a response was asked."""
    known = await find_response(asked, response_id)
    items = input_items(known.run, known.segment, await items_of(asked, known))
    return page_of(items, limit=limit, is_descending=order != "asc", after=after)


def _answer(response: dict[str, Any], headers: dict[str, str]) -> Response:
    return Response(to_json(response), headers=headers, media_type="application/json")
