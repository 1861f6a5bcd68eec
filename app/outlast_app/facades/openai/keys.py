"""Which right of a key each call of OpenAI's API needs."""

from collections.abc import Mapping
from typing import ClassVar

from outlast_app.auth import KeyedRoute
from outlast_app.rights import Right


class OpenAiRoute(KeyedRoute):
    """A route of the sub-application. What decides on approvals needs the right for that, too."""

    table: ClassVar[Mapping[str, Right]] = {
        "GET /models": "read",
        "GET /models/{model}": "read",
        "POST /chat/completions": "invoke",
        "POST /responses": "invoke",
        "POST /responses/compact": "invoke",
        "POST /responses/input_tokens": "invoke",
        "GET /responses/{response_id}": "read",
        "POST /responses/{response_id}/cancel": "invoke",
        "DELETE /responses/{response_id}": "invoke",
        "GET /responses/{response_id}/input_items": "read",
        "POST /conversations": "invoke",
        "GET /conversations/{conversation_id}": "read",
        "POST /conversations/{conversation_id}": "invoke",
        "DELETE /conversations/{conversation_id}": "invoke",
        "GET /conversations/{conversation_id}/items": "read",
        "POST /conversations/{conversation_id}/items": "invoke",
    }
