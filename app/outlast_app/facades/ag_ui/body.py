"""What a client posts.

The protocol's own library says what that is. It is loaded with the first request: the app starts
without it.
"""

import asyncio
from typing import TYPE_CHECKING

from fastapi import Request

from outlast.errors import InvalidRequest
from outlast_app.bodies import read_open_body
from outlast_app.facades.call_arguments import check_arguments

if TYPE_CHECKING:
    from ag_ui.core import RunAgentInput

MAX_MESSAGES = 2000


async def read_input(request: Request) -> "RunAgentInput":
    """Read what a client posts.

    Raises:
        InvalidRequest: It is not what it has to be.
    """
    body = await read_open_body(request, await asyncio.to_thread(_load))
    if len(body.messages) > MAX_MESSAGES:
        raise InvalidRequest.at(("body.messages", f"{MAX_MESSAGES} messages at most"))
    asked = (message for message in body.messages if message.role == "assistant")
    calls = (call for message in asked for call in message.tool_calls or ())
    check_arguments((call.function.arguments for call in calls), "body.messages")
    return body


def _load() -> "type[RunAgentInput]":
    from ag_ui.core import RunAgentInput  # noqa: PLC0415  # not with the app

    return RunAgentInput
