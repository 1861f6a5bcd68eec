"""What a key may do, and which right each call needs."""

from collections.abc import Mapping
from typing import Literal, get_args

Right = Literal["invoke", "read", "approve", "inspect"]
"""`invoke`: start runs, answer for their client tools, and change them and their threads.
`read`: see what becomes of them. `approve`: decide on approvals. `inspect`: see how agents and
runs are made, with instructions, prompts and context."""

ALL_RIGHTS: frozenset[Right] = frozenset(get_args(Right))

RIGHT_OF: Mapping[str, Right] = {
    "GET /agents": "read",
    "GET /agents/{agent}": "read",
    "POST /agents/{agent}/runs": "invoke",
    "GET /runs": "read",
    "GET /runs/{run_id}": "read",
    "DELETE /runs/{run_id}": "invoke",
    "GET /runs/{run_id}/result": "read",
    "GET /runs/{run_id}/events": "read",
    "GET /runs/{run_id}/order": "inspect",
    "GET /runs/{run_id}/definition": "inspect",
    "GET /runs/{run_id}/turns/{turn}/prompt": "inspect",
    "POST /runs/{run_id}/fork": "invoke",
    "POST /runs/{run_id}/cancel": "invoke",
    "POST /runs/{run_id}/resume": "invoke",
    "POST /runs/{run_id}/messages": "invoke",
    "POST /runs/{run_id}/signals/{name}": "invoke",
    "GET /runs/{run_id}/webhooks": "read",
    "POST /runs/{run_id}/webhooks/{delivery_id}/redeliver": "invoke",
    "GET /approvals": "read",
    "POST /runs/{run_id}/approvals/{approval_id}": "approve",
    "GET /calls": "read",
    "POST /runs/{run_id}/results/{call_id}": "invoke",
    "GET /threads": "read",
    "POST /threads": "invoke",
    "GET /threads/{thread_id}": "read",
    "PATCH /threads/{thread_id}": "invoke",
    "GET /threads/{thread_id}/messages": "read",
    "POST /threads/{thread_id}/messages": "invoke",
    "DELETE /threads/{thread_id}": "invoke",
    "DELETE /threads/{thread_id}/messages": "invoke",
}
"""By method and path.

A fork needs `read`, too, since the model could be asked for what was said; and so does a start
that another run may take (`on_busy: steer`), and without that a run is
cancelled and resumed, and a thread changed, unseen. With `inspect` agents are shown with their
definitions.
"""


def right_of(operation: str, table: Mapping[str, Right] = RIGHT_OF) -> Right:
    """Return the right that a call needs, given as method and path.

    Raises:
        LookupError: The table lacks it.
    """
    right = table.get(operation)
    if right is None:
        raise LookupError(f"{operation}: RIGHT_OF must say which right this call needs")
    return right
