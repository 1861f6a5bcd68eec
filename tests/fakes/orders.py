"""Orders of runs."""

from typing import Any

from fakes.records import NOON
from outlast.contract import RunOrder
from outlast.protocol import InputMessage, Limits

RUN_ID = "support.aaaaaaaaaaaaaaaaaaaaaaaaaa"


def order(**changes: Any) -> RunOrder:
    fields: dict[str, Any] = {
        "run_id": RUN_ID,
        "tenant": "default",
        "agent": "support",
        "input": [InputMessage(role="user", content="Where is my order?")],
        "thread_id": None,
        "admission": "none",
        "stream": False,
        "context": {},
        "metadata": {"ticket": "7"},
        "limits": Limits(),
        "after_s": 0,
        "created_at": NOON,
        "body_hash": "h",
        "repeatable": False,
    }
    return RunOrder(**{**fields, **changes})


def on_thread(**changes: Any) -> RunOrder:
    return order(**{"thread_id": "t-1", "admission": "granted", **changes})
