"""A colleague who knows the handbook: skills, which the model reads when it needs them."""

from pathlib import Path

from outlast import Agent

agent = Agent(
    name="handbook",
    description="Tells the shop's staff how things are done.",
    instructions=(
        "You tell the staff of a small furniture shop how things are done here. "
        "Read what the handbook says before you answer, and say nothing that is not in it. "
        "Answer in a few sentences."
    ),
    skills=[Path("skills")],
)
