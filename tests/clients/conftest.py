"""A stack for clients as people have them, unmodified, in environments of their own.

`make clients` installs those. A script does what a client's users do, and says of each scenario
how that went; what the model says in it is scripted here.
"""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from uuid import uuid4

import pytest

from fakes.model_server import ScriptedModel
from fakes.repository import ROOT
from fakes.script import Step, call, text
from fakes.stack import TestStack

SCRIPTS = Path(__file__).parent / "scripts"
PYTHON = ROOT / ".venv/clients/bin/python"
_DEADLINE_S = 100
CALLED = "somebody who pays"
"""What an agent is asked by another one, to do what has to be approved."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep them apart from tests that need nothing but this repository."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.clients)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, model: ScriptedModel) -> Iterator[TestStack]:
    """Restate, worker and app, shared by all clients."""
    settings = {"APP_PROTOCOL_WAIT_S": "4"}
    model.script(CALLED, [call("pay", cents=5), text("Paid.")])
    with TestStack(tmp_path_factory.mktemp("clients"), model, settings) as running:
        yield running


class Played:
    """What a script said of its scenarios."""

    def __init__(
        self,
        stack: TestStack,
        model: ScriptedModel,
        command: Sequence[str | Path],
        scenarios: Mapping[str, Sequence[Step]],
    ) -> None:
        """Run it, with a key of its own for each scenario: it finds what the model says there."""
        if not Path(command[0]).exists():
            pytest.fail(f"{command[0]} is missing: run `make clients`")
        keys = {name: f"{name} {uuid4().hex}" for name in scenarios}
        for name, steps in scenarios.items():
            model.script(keys[name], steps)
        ended = subprocess.run(
            [*command, stack.app_url, json.dumps(keys)],
            capture_output=True,
            text=True,
            timeout=_DEADLINE_S,
            check=False,
        )
        lines = [line for line in ended.stdout.splitlines() if line.startswith('{"scenario"')]
        self._said = {said["scenario"]: said for said in map(json.loads, lines)}
        self._errors = ended.stderr

    def check(self, scenario: str) -> None:
        """Fail with what the script says of a scenario, unless that went well."""
        said = self._said.get(scenario)
        assert said, f"the script said nothing of {scenario}: {self._errors[-4000:]}"
        assert said["ok"], said["error"]
