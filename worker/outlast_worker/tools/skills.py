"""Skills: what the model is told of them from the start, and what it reads of them later."""

from collections.abc import Mapping, Sequence

from outlast.built_in import READ_SKILL
from outlast.errors import ToolError
from outlast.skills import SKILL_FILE, Skill, SkillFile
from outlast_worker.engine.records import PinnedTool

_TOLD = (
    "These are skills: instructions for particular tasks, which you read when you need them. "
    f"Before you begin with what one of them is for, read it by {READ_SKILL}."
)
_ABOUT = f"Read a skill, or a file beside it. A {SKILL_FILE} says which files there are."
_CHANGED = (
    "(This skill was changed since this run began: what was read of it before may be out of date.)"
)
_SHOWN_FILES = 50


def tell_skills(skills: Sequence[Skill]) -> str | None:
    """Return what instructions say of skills: the same for each run, so that providers keep it."""
    if not skills:
        return None
    return "\n".join([_TOLD, "", *(f"- {skill.name}: {skill.description}" for skill in skills)])


def pin_skills(skills: Sequence[Skill]) -> PinnedTool:
    """Return the tool that reads them."""
    names = [skill.name for skill in skills]
    return PinnedTool(
        name=READ_SKILL,
        description=_ABOUT,
        parameters={
            "type": "object",
            "properties": {
                "name": {"type": "string", "enum": [*names], "description": "Which skill."},
                "file": {
                    "type": "string",
                    "description": "The path of a file beside it; leave it out for the skill.",
                },
            },
            "required": ["name"],
            "additionalProperties": False,
        },
        kind="built_in",
        skills={skill.name: skill.digest for skill in skills},
    )


def read_skill(
    skills: Sequence[Skill], pinned: Mapping[str, str], name: str, path: str | None
) -> str:
    """Return what a skill, or a file beside it, says.

    Args:
        skills: Those that this worker has.
        pinned: Those of the run: their digests, by name.
        name: Which.
        path: Of the file; None for the skill itself.

    Raises:
        ToolError: It is not there, or can't be read.
    """
    skill = next((skill for skill in skills if skill.name == name), None)
    if skill is None:
        raise ToolError(f"The skill {name} is not there any more. Go on without it.")
    text = _whole(skill) if path in (None, "", SKILL_FILE) else _file(skill, path)
    return text if skill.digest == pinned.get(name) else f"{_CHANGED}\n\n{text}"


def _whole(skill: Skill) -> str:
    if not skill.files:
        return skill.text
    files = "\n".join(f"- {path}{_about(file)}" for path, file in skill.files.items())
    return f"{skill.text}\n\nFiles beside this skill, to be read by {READ_SKILL}:\n{files}"


def _file(skill: Skill, path: str) -> str:
    file = skill.find(path)
    if file is None:
        known = list(skill.files)
        shown = ", ".join(known[:_SHOWN_FILES]) or "none"
        more = f" and {len(known) - _SHOWN_FILES} more" if len(known) > _SHOWN_FILES else ""
        raise ToolError(f"The skill {skill.name} has no file {path!r}. It has: {shown}{more}.")
    if file.text is None:
        raise ToolError(f"The file {path} can't be read: it is {file.unreadable}.")
    return file.text


def _about(file: SkillFile) -> str:
    return f" (can't be read: {file.unreadable})" if file.unreadable else ""
