"""What app and worker import at their start: each library costs time and memory in each process."""

import json
import os
import subprocess
import sys

import pytest

from fakes.repository import ROOT

_RECORDED = ROOT / "tests" / "fixtures" / "imports-at-start.json"
_START = {
    "app": """
import outlast_app.__main__
from outlast_app.main import create_app
from outlast_app.settings import AppSettings
create_app(AppSettings(), AppSettings().load_registry())
""",
    "worker": """
import outlast_worker.__main__
from outlast_worker.main import make_dependencies
from outlast_worker.settings import WorkerSettings
make_dependencies(WorkerSettings(), WorkerSettings().load_registry())
""",
}
_REPORT = """
import json, sys
ours = ("outlast", "outlast_app", "outlast_worker", "example_agents", "_virtualenv")
names = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names) - set(ours)
print(json.dumps(sorted(name for name in names if not name.startswith("_"))))
"""


@pytest.mark.parametrize("process", _START)
def test_libraries(process: str) -> None:
    """They are those that were recorded. After a change that is meant: `RECORD_IMPORTS=1`."""
    settings = {"AGENTS": "example_agents", "OPENAI_API_KEY": "x"}
    found = subprocess.run(
        [sys.executable, "-c", _START[process] + _REPORT],
        env={"PATH": os.environ["PATH"], **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    imported = json.loads(found.stdout)
    recorded = json.loads(_RECORDED.read_text()) if _RECORDED.exists() else {}
    if os.environ.get("RECORD_IMPORTS"):
        _RECORDED.write_text(json.dumps({**recorded, process: imported}, indent=1) + "\n")
        return
    assert imported == recorded[process], test_libraries.__doc__
