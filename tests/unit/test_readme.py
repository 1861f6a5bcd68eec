"""What the README shows is what there is."""

import re

from demo import _introduction
from fakes.repository import ROOT

README = (ROOT / "README.md").read_text()


def test_the_agent_file() -> None:
    """The agent file that is shown has lines of the real one, in order; … stands for more."""
    [shown] = re.findall(r"```python\n# (\S+)\n(.*?)```", README, re.DOTALL)
    path, code = shown
    lines = iter((ROOT / path).read_text().splitlines())
    missing = [line for line in code.splitlines() if line not in ("", "…") and line not in lines]
    assert missing == []


def test_the_demos_first_lines() -> None:
    """The demo's output begins as it does."""
    assert f"$ make demo\n{_introduction(None)}\nStarting Restate" in README
