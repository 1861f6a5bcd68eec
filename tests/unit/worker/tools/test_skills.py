"""Skills as a model reads them: whatever it asks for, a text comes back."""

from pathlib import Path
from typing import Any

import pytest

from fakes.skill_folders import write_skill
from outlast import Agent
from outlast.skills import load_skills
from outlast_worker.engine.operations import RunBuiltIn
from outlast_worker.engine.planned_calls import PlannedCall
from outlast_worker.engine.records import ToolRecord
from outlast_worker.tools.built_in import pin_built_in, run_built_in
from outlast_worker.tools.skills import tell_skills

FILES: dict[str, str | bytes] = {"references/periods.md": "Two years.", "logo.png": b"\x89PNG\xff"}


def clerk(*folders: Path) -> Agent:
    return Agent(name="clerk", instructions="Help.", skills=list(folders))


def read(agent: Agent, pinned_by: Agent | None = None, **arguments: Any) -> ToolRecord:
    """Read as a run does whose definition was pinned of the same agent, or of another."""
    [tool] = pin_built_in(pinned_by or agent, [])
    call = PlannedCall(1, "1.0", tool.name, arguments, known=True)
    return run_built_in(agent, RunBuiltIn(call, tool, [tool]))


def refused(record: ToolRecord) -> tuple[str | None, str]:
    assert record.is_error
    return record.error_type, record.output


def test_what_instructions_say(tmp_path: Path) -> None:
    """Each skill has one line, in the order of the list; without skills nothing is said."""
    b = write_skill(tmp_path / "b", description="How to b.")
    a = write_skill(tmp_path / "a", description="How to a.")
    told = tell_skills(load_skills([b, a]))
    assert told
    assert told.endswith("\n\n- b: How to b.\n- a: How to a.")
    assert "read it by read_skill" in told
    assert tell_skills(()) is None


def test_a_skill(tmp_path: Path) -> None:
    """It reads the text without what stands before it, and which files there are."""
    agent = clerk(write_skill(tmp_path / "claims", "Ask for a photo.", files=FILES))
    assert read(agent, name="claims").output == (
        "Ask for a photo.\n\n"
        "Files beside this skill, to be read by read_skill:\n"
        "- logo.png (can't be read: no UTF-8 text)\n"
        "- references/periods.md"
    )
    alone = clerk(write_skill(tmp_path / "alone", "Ask."))
    assert read(alone, name="alone").output == "Ask."


@pytest.mark.parametrize("path", [None, "", "SKILL.md"])
def test_the_skill_itself(tmp_path: Path, path: str | None) -> None:
    """However a model leaves the file out, it reads the skill."""
    agent = clerk(write_skill(tmp_path / "claims", "Ask."))
    assert read(agent, name="claims", file=path).output == "Ask."


def test_a_file(tmp_path: Path) -> None:
    agent = clerk(write_skill(tmp_path / "claims", files=FILES))
    assert read(agent, name="claims", file="./references/periods.md").output == "Two years."


@pytest.mark.parametrize(
    ("arguments", "kind", "told"),
    [
        ({}, "invalid_arguments", '"name" is a required property'),
        ({"name": "other"}, "invalid_arguments", '"other" is not one of'),
        ({"name": ["claims"]}, "invalid_arguments", "is not"),
        ({"name": "claims", "path": "x"}, "invalid_arguments", "'path' was unexpected"),
        ({"name": "claims", "file": "../x"}, "tool_error", "no file '../x'. It has: logo.png, ref"),
        ({"name": "claims", "file": "/etc/passwd"}, "tool_error", "has no file '/etc/passwd'"),
        ({"name": "claims", "file": "logo.png"}, "tool_error", "can't be read: it is no UTF-8"),
    ],
)
def test_what_can_not_be_read(
    tmp_path: Path, arguments: dict[str, Any], kind: str, told: str
) -> None:
    """The model is told why, and what it could have asked for."""
    agent = clerk(write_skill(tmp_path / "claims", files=FILES))
    error_type, text = refused(read(agent, **arguments))
    assert error_type == kind
    assert told in text


def test_many_files(tmp_path: Path) -> None:
    """Of many files some are named."""
    files: dict[str, str | bytes] = {f"{number:03}.md": "x" for number in range(60)}
    agent = clerk(write_skill(tmp_path / "claims", files=files))
    _, text = refused(read(agent, name="claims", file="nowhere"))
    assert text.endswith("049.md and 10 more.")


def test_a_skill_that_was_changed(tmp_path: Path) -> None:
    """A run reads what the worker has, and is told if that is not what it began with."""
    before = clerk(write_skill(tmp_path / "before" / "claims", "Ask.", files=FILES))
    files = {**FILES, "references/periods.md": "Three years."}
    after = clerk(write_skill(tmp_path / "after" / "claims", "Ask.", files=files))
    record = read(after, before, name="claims", file="references/periods.md")
    assert record.output.startswith("(This skill was changed since this run began")
    assert record.output.endswith("\n\nThree years.")


def test_a_skill_that_is_gone(tmp_path: Path) -> None:
    before = clerk(write_skill(tmp_path / "claims"))
    after = clerk(write_skill(tmp_path / "other"))
    assert refused(read(after, before, name="claims")) == (
        "tool_error",
        "The skill claims is not there any more. Go on without it.",
    )
