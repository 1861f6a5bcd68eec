"""`outlast inspect`: how a run was made."""

import json
from typing import Any

import pytest

from fakes import wire
from fakes.app_server import Document, ScriptedApp
from fakes.wire import NOON, RUN_ID
from unit.cli.conftest import Outlast

RUN = f"/runs/{RUN_ID}"
DEFINITION = {
    "run_id": RUN_ID,
    "agent": "support",
    "digest": "d1",
    "pinned_at": NOON,
    "model": "openai/x",
    "model_settings": {"temperature": 0},
    "instructions": "Be brief.",
    "tools": [{"name": "find", "description": "Finds.", "parameters": {"type": "object"}}],
    "limits": {"max_turns": 20},
}
PROMPT = {
    "run_id": RUN_ID,
    "turn": 2,
    "model": "openai/x",
    "instructions": "Be brief.",
    "tools": [],
    "messages": [wire.message(1, "Hello.")["message"]],
    "history_count": 0,
    "is_whole": False,
}
ORDER = {
    "run_id": RUN_ID,
    "agent": "support",
    "input": [{"role": "user", "content": "Where is it?"}],
    "stream": False,
    "context": {"company": "Acme"},
    "limits": {"max_turns": 5},
    "created_at": NOON,
}


@pytest.mark.parametrize(
    ("arguments", "path", "answer", "said"),
    [
        ([], "definition", DEFINITION, ["d1", '"temperature": 0', "Be brief.", "Finds."]),
        (["--turn", "2"], "turns/2/prompt", PROMPT, ["Be brief.", "Hello.", "not there any more"]),
        (["--order"], "order", ORDER, ["Acme", '"max_turns": 5', "user: Where is it?"]),
    ],
    ids=["definition", "prompt", "order"],
)
def test_inspect(
    app: ScriptedApp,
    outlast: Outlast,
    arguments: list[str],
    path: str,
    answer: dict[str, Any],
    said: list[str],
) -> None:
    """How a run was made is laid out for a person, and one document for a script."""
    app.on(f"GET {RUN}/{path}", Document(answer))
    shown = outlast("inspect", RUN_ID, *arguments)
    assert shown.code == 0
    assert [text for text in said if text not in shown.out] == []
    told = json.loads(outlast("inspect", RUN_ID, *arguments, "--json").out)
    assert told["run_id"] == RUN_ID
