"""The kit is light, and says what to install where it is missing."""

import subprocess
import sys

RUN = """
import asyncio, sys
from outlast import Agent
from outlast.testing import run_in_memory, text

agent = Agent(name="a", instructions="Be brief.")
assert asyncio.run(run_in_memory(agent, "Hi.", model=[text("Hello.")])).output == "Hello."
heavy = {"aiohttp", "fastapi", "hypercorn", "litellm", "openai", "redis", "restate", "uvloop"}
print(sorted(heavy & set(sys.modules)))
"""
MISSING = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == "outlast_worker":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
import outlast
try:
    import outlast.testing
except ModuleNotFoundError as error:
    print(error)
"""


def said_by(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout


def test_no_restate_and_no_model_library() -> None:
    """A run in memory imports nothing that only a real one needs."""
    assert said_by(RUN) == "[]\n"


def test_without_the_worker() -> None:
    """Where only the contract is installed, the import says what is missing."""
    assert 'pip install "outlast[local]"' in said_by(MISSING)
