"""The sub-application: its errors, its page, and what it loads."""

import subprocess
import sys

from ag_ui.core import AgentCapabilities

from fakes.front import Connect, problem
from outlast_app.facades.ag_ui.keys import AgUiRoute


async def test_every_call_has_a_right(connect: Connect) -> None:
    """The table has every call of the sub-application, and nothing else."""
    async with connect() as client:
        paths = (await client.get("/ag-ui/openapi.json")).json()["paths"]
    calls = {f"{method.upper()} {path}" for path in paths for method in paths[path]}
    assert calls == {each.replace(":path}", "}") for each in AgUiRoute.table}


async def test_errors(connect: Connect) -> None:
    """They are problems, with the status that clients of protocols get."""
    async with connect() as client:
        problem(await client.get("/ag-ui/nobody/capabilities"), 404, "unknown-agent")
        wrong = await client.post("/ag-ui/support", json={"threadId": 1})
        fields = {each["field"] for each in problem(wrong, 400, "invalid-request")["errors"]}
        can = await client.get("/ag-ui/filled/capabilities")
    assert {"body.threadId", "body.runId", "body.messages"} <= fields
    assert not AgentCapabilities.model_validate(can.json()).model_extra


def test_what_the_start_loads() -> None:
    """The protocol's library comes with the first request."""
    code = "import sys, outlast_app.main; sys.exit('ag_ui' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
