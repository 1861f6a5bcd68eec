"""Tell whether the lock files belong to the manifests. Resolves nothing and needs no network.

`stamp` writes a digest of what the workspace's manifests ask for into the first line of each file
in `requirements/`; `check` fails when a digest, or the root entry of a `package-lock.json`,
differs.
"""

import hashlib
import json
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# Annotations name what asks for a package; a line of its own would install it.
_OURS = re.compile(r"^(outlast|example-agents)\S*==", re.MULTILINE)
# What tests install beside this repository, as others have it.
_OTHERS = (ROOT / "tests" / "clients", ROOT / "tests" / "third_party")
# What people start of the examples, with packages of their own.
_EXAMPLES = (ROOT / "examples" / "chat-react",)
_NAME = re.compile(r"^[a-z0-9-]+", re.MULTILINE)
HEADER = "# Made by `make lock` from the workspace's manifests, sha256:"


def digest() -> str:
    """Hash the parts of the manifests that a lock follows from."""
    workspace = _manifest(ROOT)
    members = [_manifest(ROOT / name) for name in workspace["tool"]["uv"]["workspace"]["members"]]
    inputs = [
        workspace["dependency-groups"],
        workspace["tool"]["uv"],
        *(_asked_for(member["project"]) for member in members),
    ]
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def _manifest(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text())


def _asked_for(project: Mapping[str, Any]) -> list[Any]:
    names = ("name", "requires-python", "dependencies", "optional-dependencies")
    return [project.get(name) for name in names]


def stamp() -> None:
    """Write the digest into the first line of each requirements file."""
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        lines = [line for line in path.read_text().splitlines() if not line.startswith(HEADER)]
        path.write_text("\n".join([HEADER + digest(), *lines]) + "\n")


def problems() -> Iterator[str]:
    """Yield one sentence for each lock that is stale or names where a package was fetched."""
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        text = path.read_text()
        if not text.startswith(HEADER + digest() + "\n"):
            yield f"requirements/{path.name} is older than a pyproject.toml"
        if "://" in text:
            yield f"requirements/{path.name} names a host or a path"
        if named := _OURS.search(text):
            yield f"requirements/{path.name} names {named[0]}, which comes from this workspace"

    for folder in (ROOT, *_OTHERS, *_EXAMPLES):
        yield from _npm_problems(folder)
    for folder in _OTHERS:
        lock = folder / "requirements.txt"
        text = lock.read_text()
        if "://" in text:
            yield f"{lock.relative_to(ROOT)} names a host or a path"
        for name in _NAME.findall((folder / "requirements.in").read_text()):
            if f"\n{name}==" not in f"\n{text}":
                yield f"{lock.relative_to(ROOT)} lacks {name}"


def _npm_problems(folder: Path) -> Iterator[str]:
    lock = (folder / "package-lock.json").relative_to(ROOT)
    wanted = json.loads((folder / "package.json").read_text())
    packages = json.loads((ROOT / lock).read_text())["packages"]
    for key in ("dependencies", "devDependencies", "engines"):
        if wanted.get(key) != packages[""].get(key):
            yield f"{lock} is older than its package.json ({key})"
    if any("resolved" in package for package in packages.values()):
        yield f"{lock} names a host"


def main(command: str) -> int:
    """Run `stamp` or `check`, and return the exit status."""
    if command == "stamp":
        stamp()
        return 0
    found = list(problems())
    for problem in found:
        print(f"{problem}: run `make lock`", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
