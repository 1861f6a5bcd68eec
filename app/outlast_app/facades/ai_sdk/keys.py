"""Which right of a key each call of the AI SDK's addresses needs."""

from collections.abc import Mapping
from typing import ClassVar

from outlast_app.auth import KeyedRoute
from outlast_app.rights import Right


class AiSdkRoute(KeyedRoute):
    """A route of the sub-application. What decides on approvals needs the right for that, too."""

    table: ClassVar[Mapping[str, Right]] = {
        "POST /{agent}": "invoke",
        "GET /{agent}/{chat:path}/stream": "read",
        "POST /{agent}/{chat:path}/stop": "invoke",
        "GET /{agent}/{chat:path}/messages": "read",
    }
