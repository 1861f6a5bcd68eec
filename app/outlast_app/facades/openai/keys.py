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
    }
