"""The scholar after somebody has rewritten its skills: those in the folder `SKILLS`.

`AGENTS=fakes.scholar_later`.
"""

import os
from pathlib import Path

from outlast import Agent

agents = [
    Agent(
        name="scholar",
        instructions="Do what the test says, otherwise.",
        skills=[Path(os.environ["SKILLS"])],
    )
]
