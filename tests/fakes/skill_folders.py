"""Writes folders of skills."""

from collections.abc import Mapping
from pathlib import Path


def write_skill(
    folder: Path,
    text: str = "Do it well.",
    *,
    description: str = "How to do it.",
    more: str = "",
    files: Mapping[str, str | bytes] | None = None,
) -> Path:
    """Write a skill that is called as its folder, with files beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    front = f"name: {folder.name}\ndescription: {description}\n{more}"
    (folder / "SKILL.md").write_text(f"---\n{front}---\n\n{text}\n")
    for path, content in (files or {}).items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder
