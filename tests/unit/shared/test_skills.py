"""Skills: folders with a `SKILL.md`, read and checked when the agent's file is imported."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from fakes.skill_folders import write_skill
from outlast import Agent, DefinitionError, McpServer, client_tool, tool
from outlast.registry import Registry
from outlast.skills import MAX_FILE_BYTES, MAX_FILES, load_skills


def an_agent(*folders: Path, **fields: Any) -> Agent:
    return Agent(name="clerk", instructions="Help.", skills=list(folders), **fields)


def described(agent: Agent) -> dict[str, Any]:
    return Registry([agent], "openai/x").describe(agent).model_dump(exclude_none=True)


def test_a_folder_of_skills(tmp_path: Path) -> None:
    """Each folder in it is a skill; what is beside them, or hidden, is none."""
    write_skill(tmp_path / "refunds", "Pay back.", description="How to refund.")
    write_skill(tmp_path / "claims", "Claim.")
    (tmp_path / "README.md").write_text("About these skills.")
    (tmp_path / ".git").mkdir()
    (tmp_path / "__pycache__").mkdir()
    claims, refunds = an_agent(tmp_path).known_skills
    assert (claims.name, refunds.name) == ("claims", "refunds")
    assert (refunds.description, refunds.text, refunds.files) == ("How to refund.", "Pay back.", {})


def test_one_skill(tmp_path: Path) -> None:
    """A folder may be a skill itself; several are in the order in which they are named."""
    b, a = write_skill(tmp_path / "b"), write_skill(tmp_path / "a")
    assert [skill.name for skill in an_agent(b, a).known_skills] == ["b", "a"]


def test_what_a_skill_says_of_itself(tmp_path: Path) -> None:
    """All fields of the format are read, as they are written; others are ignored."""
    more = (
        'license: MIT\ncompatibility: "Needs: git"\nallowed-tools: Bash(git:*) Read\n'
        "metadata:\n  author: us\n  version: 1.0\nargument-hint: '[file]'\n"
    )
    description = ">\n  How to do it,\n  on two lines."
    [skill] = load_skills([write_skill(tmp_path / "it", description=description, more=more)])
    assert skill.description == "How to do it, on two lines."
    assert (skill.license, skill.compatibility) == ("MIT", "Needs: git")
    assert skill.metadata == {"author": "us", "version": "1.0"}
    assert skill.allowed_tools == ("Bash(git:*)", "Read")
    more = "allowed-tools:\n  - Bash\n  - Read\nlicense:\nmetadata:\n"
    [skill] = load_skills([write_skill(tmp_path / "it", more=more)])
    assert (skill.allowed_tools, skill.license, skill.metadata) == (("Bash", "Read"), None, {})


def test_files_beside_it(tmp_path: Path) -> None:
    """Texts can be read; of others it is known why not; hidden ones are not there."""
    files = {
        "references/periods.md": "﻿Two years.\r\n",
        "assets/logo.png": b"\x89PNG\xff",
        "assets/zeros": b"a\0b",
        "large.txt": "x" * (MAX_FILE_BYTES + 1),
        "just.txt": "x" * MAX_FILE_BYTES,
        ".env": "SECRET=1",
        ".git/config": "secret",
    }
    [skill] = load_skills([write_skill(tmp_path / "it", files=files)])
    found = {path: file.text or file.unreadable for path, file in skill.files.items()}
    assert found == {
        "assets/logo.png": "no UTF-8 text",
        "assets/zeros": "no text",
        "just.txt": "x" * MAX_FILE_BYTES,
        "large.txt": "larger than 128 KiB",
        "references/periods.md": "Two years.\n",
    }


@pytest.mark.parametrize(
    "path",
    [
        "../other/SKILL.md",
        "references/../../other/SKILL.md",
        "/etc/passwd",
        "REFERENCES/periods.md",
        "references",
        "references/periods.md/",
        "references/periods.md\0.png",
        ".env",
        "",
        ".",
        "..",
    ],
)
def test_paths_that_lead_elsewhere(tmp_path: Path, path: str) -> None:
    """No path reaches what was not read as a file beside the skill, by the very name it has."""
    write_skill(tmp_path / "other")
    files = {"references/periods.md": "Two years.", ".env": "SECRET=1"}
    [skill] = load_skills([write_skill(tmp_path / "it", files=files)])
    found = skill.find(path)
    assert found is None or (path.endswith("/") and found.text == "Two years.")
    same = skill.find("./references/periods.md")
    assert same
    assert same.text == "Two years."


def _link(folder: Path) -> None:
    (folder / "linked.md").symlink_to("/etc/passwd")


def _link_folder(folder: Path) -> None:
    (folder / "linked").symlink_to(folder.parent, target_is_directory=True)


def _link_main(folder: Path) -> None:
    (folder / "SKILL.md").rename(folder.parent / "elsewhere.md")
    (folder / "SKILL.md").symlink_to(folder.parent / "elsewhere.md")


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe")


def _socket(folder: Path) -> None:
    before = Path.cwd()
    os.chdir(folder)  # the path of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("socket")
    finally:
        os.chdir(before)


def _pipe_as_skill(folder: Path) -> None:
    (folder / "SKILL.md").unlink()
    os.mkfifo(folder / "SKILL.md")


def _newline(folder: Path) -> None:
    (folder / "a\nb").write_text("x")


def _crowd(folder: Path) -> None:
    for number in range(MAX_FILES):
        (folder / f"{number}").touch()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_link, r"linked\.md is a symbolic link; put what it leads to in its place"),
        (_link_folder, "linked is a symbolic link"),
        (_link_main, r"SKILL\.md is a symbolic link"),
        (_pipe, "pipe is no plain file"),
        (_pipe_as_skill, r"SKILL\.md is no plain file"),
        (_socket, "socket is no plain file"),
        (_newline, "no model can write this name"),
        (_crowd, f"it has more than {MAX_FILES} files"),
    ],
)
def test_files_that_are_none(tmp_path: Path, spoil: Any, told: str) -> None:
    """What is no plain file of the folder's own is refused: nobody guesses what it means."""
    folder = write_skill(tmp_path / "it")
    spoil(folder)
    with pytest.raises(DefinitionError, match=f"agent clerk: .*{told}"):
        an_agent(folder)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("Help.", "line 1: it begins with a line ---"),
        ("", "line 1: it begins with a line ---"),
        ("---\nname: it\n", "line 1: what begins here does not end"),
        ("---\n- name\n---\n", "line 1: it begins with"),
        ("---\n---\n", "line 1: it begins with"),
        ("---\nname: it\n---\n", "line 1: description: it is missing; add a line `description: …`"),
        ("---\ndescription:\nname: it\n---\n", "line 2: description: it is missing"),
        ("---\ndescription: d\n---\n", "line 1: name: it is missing"),
        ("---\n\nname: It\ndescription: d\n---\n", "line 3: name: it is 'It'; write lower-case"),
        ("---\nname: -it\ndescription: d\n---\n", "line 2: name: it is '-it'; write"),
        ("---\nname: i--t\ndescription: d\n---\n", "line 2: name: it is 'i--t'; write"),
        (f"---\nname: {'i' * 65}\ndescription: d\n---\n", "line 2: name: it has 65 characters"),
        ("---\nname: other\ndescription: d\n---\n", "line 2: name: it is 'other', and its folder"),
        (f"---\nname: it\ndescription: {'d' * 1025}\n---\n", "line 3: description: it has 1025"),
        ("---\nname: it\ndescription: [d]\n---\n", "line 3: description: it is no text"),
        ("---\nname: it\ndescription: a: b\n---\n", "line 3: mapping values are not .* in quotes"),
        ("---\nname: it\ndescription: 'a\n---\n", "line [34]: .* in quotes"),
        ("---\nname: it\ndescription: \x07\n---\n", "line 1: the front matter is no YAML"),
        ("---\nname: it\ndescription: d\nmetadata: x\n---\n", "line 4: metadata: it is no list"),
        (
            f"---\nname: it\ndescription: d\ncompatibility: {'c' * 501}\n---\n",
            "line 4: compatibility: it has 501",
        ),
    ],
)
def test_mistakes(tmp_path: Path, content: str, told: str) -> None:
    """A mistake is told with its file and line, when the agent's file is imported."""
    folder = write_skill(tmp_path / "it")
    (folder / "SKILL.md").write_text(content)
    with pytest.raises(DefinitionError, match=rf"agent clerk: {folder}/SKILL.md, {told}"):
        an_agent(folder)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"x" * (MAX_FILE_BYTES + 1)])
def test_a_skill_that_is_no_text(tmp_path: Path, content: bytes) -> None:
    folder = write_skill(tmp_path / "it")
    (folder / "SKILL.md").write_bytes(content)
    with pytest.raises(DefinitionError, match=r"SKILL\.md can't be read: it is"):
        an_agent(folder)


def test_folders_that_are_none(tmp_path: Path) -> None:
    """What has no skill where one is named is told."""
    with pytest.raises(DefinitionError, match="there is no folder"):
        an_agent(tmp_path / "nowhere")
    with pytest.raises(DefinitionError, match=r"has neither a SKILL\.md nor folders with one"):
        an_agent(tmp_path)
    write_skill(tmp_path / "it")
    (tmp_path / "draft").mkdir()
    (tmp_path / "draft" / "skill.md").write_text("---\n")
    with pytest.raises(DefinitionError, match=r"draft has no SKILL\.md"):
        an_agent(tmp_path)
    with pytest.raises(DefinitionError, match=r"'skills' in skills is no Path; write Path\('ski"):
        an_agent("skills")  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match=r"skills is .*; it must be a list"):
        Agent(name="clerk", instructions="Help.", skills=tmp_path)  # type: ignore[arg-type]


@tool
async def refund() -> str:
    """Pay back."""
    return ""


scout = Agent(name="scout", description="Scouts.", instructions="Scout.")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"tools": [refund]}, "a skill and a tool are called 'refund'"),
        ({"tools": [client_tool("refund", "Pay.")]}, "a skill and a tool are called 'refund'"),
        ({"tools": [scout.as_tool(name="refund")]}, "a skill and a tool are called 'refund'"),
        ({"mcp": [McpServer("refund", command=["x"])]}, "a skill and an MCP server are called"),
        ({"tools": [tool(name="read_skill")(refund.fn)]}, "brings a tool 'read_skill' along"),
    ],
)
def test_clashes(tmp_path: Path, fields: dict[str, Any], told: str) -> None:
    """What a model would mix up with a skill has to be called something else."""
    folder = write_skill(tmp_path / "refund")
    with pytest.raises(DefinitionError, match=f"agent clerk: .*{told}"):
        an_agent(folder, **fields)


def test_two_of_one_name(tmp_path: Path) -> None:
    one, other = write_skill(tmp_path / "a" / "it"), write_skill(tmp_path / "b" / "it")
    with pytest.raises(DefinitionError, match="b/it: two skills are called 'it'"):
        an_agent(one, other)


def test_relative_to_the_agents_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path is relative to the file that declares the agent, wherever the process runs."""
    package = tmp_path / "skilled"
    write_skill(package / "skills" / "it")
    (package / "__init__.py").write_text(
        "from pathlib import Path\nfrom outlast import Agent\n"
        "agent = Agent(name='a', instructions='x', skills=[Path('skills')])\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert [skill.name for skill in __import__("skilled").agent.known_skills] == ["it"]


def test_what_is_told_of_them(tmp_path: Path) -> None:
    """`GET /agents` lists them; who may not see definitions is not told what the model is told."""
    more = "license: MIT\nmetadata:\n  author: us\n"
    agent = an_agent(write_skill(tmp_path / "it", more=more))
    told = Registry([agent], "openai/x").describe(agent)
    [skill] = told.skills
    assert (skill.name, skill.description, skill.license) == ("it", "How to do it.", "MIT")
    assert skill.metadata == {"author": "us"}
    [hidden] = told.without_definition().skills
    assert (hidden.name, hidden.description) == ("it", None)


@pytest.mark.parametrize(
    "changes",
    [
        {"text": "Do it better."},
        {"description": "How to do this."},
        {"files": {"a.md": "b", "c.md": "d"}},
        {"files": {"b.md": "b"}},
        {"files": {"a.md": b"\xff"}},
    ],
)
def test_digests(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Whatever a model can read of a skill makes the agent another one; where it lies does not."""

    def digest(folder: str, **changes: Any) -> str:
        written = write_skill(tmp_path / folder / "it", **{"files": {"a.md": "b"}, **changes})
        return described(an_agent(written))["digest"]

    assert digest("one") == digest("two")
    assert digest("three", **changes) != digest("one")
