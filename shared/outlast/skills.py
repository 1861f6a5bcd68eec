"""Skills: folders of instructions for particular tasks, which a model reads when it needs them.

Their format is that of https://agentskills.io/specification. All that a model may read of them is
read here, once, when the agent's file is imported. So no path that a model asks for leads out of a
folder, and what a process knows of a skill does not change under its runs.
"""

import hashlib
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from outlast.errors import DefinitionError
from outlast.front_matter import FrontMatter, split_front_matter

SKILL_FILE = "SKILL.md"
MAX_FILE_BYTES = 128 * 1024
MAX_FILES = 200
_MAX_DESCRIPTION_CHARS = 1024
_MAX_COMPATIBILITY_CHARS = 500
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_MAX_NAME_CHARS = 64


@dataclass(frozen=True)
class SkillFile:
    """A file beside a skill. Without a `text` it can't be read, and `unreadable` says why."""

    size_bytes: int
    text: str | None = field(default=None, repr=False)
    unreadable: str | None = None


@dataclass(frozen=True, eq=False)
class Skill:
    """A skill as it was when the agent's file was imported.

    Attributes:
        text: What the model reads of it first.
        files: What is beside that, by path.
        digest: Of all that can be read of it.
    """

    name: str
    description: str
    text: str = field(repr=False)
    files: Mapping[str, SkillFile] = field(repr=False)
    digest: str
    license: str | None = None
    compatibility: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    allowed_tools: Sequence[str] = ()

    def find(self, path: str) -> SkillFile | None:
        """Return a file beside the skill, by its path as a model writes it."""
        return self.files.get(str(PurePosixPath(path)))


def load_skills(folders: Sequence[Path]) -> tuple[Skill, ...]:
    """Read skills: each folder is one, or has one in each of its folders.

    Raises:
        DefinitionError: With the place, and how to mend it.
    """
    skills: dict[str, Skill] = {}
    for folder in folders:
        for found in _skill_folders(folder):
            skill = _load(found)
            if skill.name in skills:
                raise DefinitionError(f"{found}: two skills are called {skill.name!r}; rename one")
            skills[skill.name] = skill
    return tuple(skills.values())


def _skill_folders(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        raise DefinitionError(
            f"skills: there is no folder {folder}; name one that has a {SKILL_FILE}, or one of "
            "such folders, relative to the file that declares the agent"
        )
    if _is_skill(folder):
        yield folder
        return
    inner = [path for path in _entries(folder) if path.is_dir()]
    if not inner:
        raise DefinitionError(f"skills: {folder} has neither a {SKILL_FILE} nor folders with one")
    for path in inner:
        _refuse_link(path)
        if not _is_skill(path):
            raise DefinitionError(
                f"skills: {path} has no {SKILL_FILE}; add one, or name the folders that have one"
            )
        yield path


def _is_skill(folder: Path) -> bool:
    """Tell whether a folder has the file, which is told from `skill.md` on any file system."""
    return any(path.name == SKILL_FILE for path in folder.iterdir())


def _load(folder: Path) -> Skill:
    paths = _files(folder)  # before anything is opened: a pipe would be waited for
    path = folder / SKILL_FILE
    main = _read(path)
    if main.text is None:
        raise DefinitionError(f"{path} can't be read: it is {main.unreadable}")
    front, text = split_front_matter(path, main.text)
    name = _name_of(front, folder)
    beside = (file for file in paths if file != path)
    files = {file.relative_to(folder).as_posix(): _read(file) for file in beside}
    return Skill(
        name=name,
        description=front.text("description", _MAX_DESCRIPTION_CHARS, is_needed=True) or "",
        text=text.strip(),
        files=files,
        digest=_digest(main, files),
        license=front.text("license"),
        compatibility=front.text("compatibility", _MAX_COMPATIBILITY_CHARS),
        metadata=front.pairs("metadata"),
        allowed_tools=front.words("allowed-tools"),
    )


def _name_of(front: FrontMatter, folder: Path) -> str:
    name = front.text("name", _MAX_NAME_CHARS, is_needed=True) or ""
    if not _NAME.fullmatch(name):
        raise front.fault(
            "name", f"it is {name!r}; write lower-case letters, digits and single hyphens"
        )
    # Of a folder that is given as `.`, too.
    if name != folder.resolve().name:
        raise front.fault(
            "name", f"it is {name!r}, and its folder is {folder.resolve().name!r}: rename one"
        )
    return name


def _files(folder: Path) -> list[Path]:
    """Return all files below a folder, in order."""
    found: list[Path] = []
    left = [folder]
    while left:
        for path in _entries(left.pop()):
            _refuse_link(path)
            mode = path.lstat().st_mode
            if not path.name.isprintable():
                raise DefinitionError(f"{str(path)!r}: no model can write this name; change it")
            if stat.S_ISDIR(mode):
                left.append(path)
                continue
            if not stat.S_ISREG(mode):
                raise DefinitionError(f"{path} is no plain file; a skill has no others")
            found.append(path)
            if len(found) > MAX_FILES:
                raise DefinitionError(
                    f"{folder} has more than {MAX_FILES} files; take out what no model is to read"
                )
    return sorted(found)


def _entries(folder: Path) -> list[Path]:
    """Return what is in a folder, but for what is hidden, or made by Python."""
    return sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".") and path.name != "__pycache__"
    )


def _refuse_link(path: Path) -> None:
    if path.is_symlink():
        raise DefinitionError(
            f"{path} is a symbolic link; put what it leads to in its place: models read nothing "
            "that is outside of a skill's folder"
        )


def _read(path: Path) -> SkillFile:
    try:
        size = path.stat().st_size
        with path.open("rb") as opened:
            content = opened.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise DefinitionError(f"{path} can't be read: {error.strerror}") from error
    if len(content) > MAX_FILE_BYTES:
        return SkillFile(size, unreadable=f"larger than {MAX_FILE_BYTES // 1024} KiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return SkillFile(size, unreadable="no UTF-8 text")
    if "\0" in text:
        return SkillFile(size, unreadable="no text")
    return SkillFile(size, text=text.replace("\r\n", "\n"))


def _digest(main: SkillFile, files: Mapping[str, SkillFile]) -> str:
    digest = hashlib.sha256()
    for path, file in {SKILL_FILE: main, **files}.items():
        part = f"{path}\0{file.size_bytes}\0{file.text or ''}\0"
        digest.update(part.encode())
    return digest.hexdigest()[:16]
