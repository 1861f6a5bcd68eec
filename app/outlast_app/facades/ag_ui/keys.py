"""Which right of a key each call of AG-UI's addresses needs."""

from collections.abc import Mapping
from typing import ClassVar

from outlast_app.auth import KeyedRoute
from outlast_app.rights import Right


class AgUiRoute(KeyedRoute):
    """A route of the sub-application.

    A run that decides on approvals needs the right for that, too, and one that tells what another
    key has started, the right to read.
    """

    table: ClassVar[Mapping[str, Right]] = {
        "POST /{agent}": "invoke",
        "GET /{agent}/capabilities": "read",
        "GET /{agent}/threads/{thread:path}/messages": "read",
        "POST /{agent}/threads/{thread:path}/stop": "invoke",
    }
