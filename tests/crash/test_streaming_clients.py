"""The clients of `docs/streaming.md`: they fold correctly, also when the worker dies meanwhile."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fakes.api import Api
from fakes.model_server import ScriptedModel
from fakes.repository import ROOT
from fakes.script import Gate, attempts, call, text
from fakes.stack import TestStack

pytestmark = pytest.mark.crash

_COMMANDS = {"python": [sys.executable, "client.py"], "js": ["node", "client.mjs"]}
_ODD = "one\u2028two\x85three \U0001f600 four five"


@pytest.mark.parametrize("language", _COMMANDS)
def test_client(
    api: Api, stack: TestStack, model: ScriptedModel, key: str, tmp_path: Path, language: str
) -> None:
    """A client that was connected all the time shows what the run says."""
    document = (ROOT / "docs" / "streaming.md").read_text()
    [code] = re.findall(rf"```{language}\n(.*?)```", document, re.DOTALL)
    command = _COMMANDS[language]
    (tmp_path / command[1]).write_text(code)
    gate = Gate(after_chunks=3)
    model.script(
        key, [call("note", text="a"), attempts(text("wrong words", gate=gate), text(_ODD))]
    )
    run_id = api.start("tester", key)
    url = f"{stack.app_url}/runs/{run_id}/events"
    client = subprocess.Popen(
        [*command, url], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    model.wait_for(key, turn=2)
    stack.worker.kill()
    stack.start_worker()
    out, errors = client.communicate(timeout=60)
    gate.open()
    assert client.returncode == 0, errors.decode()
    assert json.loads(out) == {"1": "", "2": _ODD}
    again = subprocess.run(
        [*command, url], cwd=tmp_path, capture_output=True, check=True, timeout=60
    )
    assert json.loads(again.stdout) == {"1": "", "2": _ODD}
