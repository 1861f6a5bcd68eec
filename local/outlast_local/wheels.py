"""The wheels of Outlast for a new project, until there is an index that has them.

An installed package has all that its wheel had, so the wheel is packed again from it. One that is
worked on (an editable install) is built in its working tree.
"""

import base64
import csv
import hashlib
import importlib.util
import io
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, PackagePath, distribution
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from outlast_local.errors import NotMade

PACKAGES = ("outlast", "outlast-app", "outlast-cli", "outlast-local", "outlast-worker")
# An installer writes these; a wheel has none of them.
_OF_THE_INSTALL = frozenset(
    ("INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_build.json", "uv_cache.json")
)
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def write_wheels(folder: Path) -> None:
    """Write a wheel of each package into a folder.

    Raises:
        NotMade: With what to do.
    """
    folder.mkdir(parents=True)
    for name in PACKAGES:
        package = distribution(name)
        source = _working_tree(package)
        if source:
            _build(source, folder)
        else:
            _pack(package, folder)


def _working_tree(package: Distribution) -> Path | None:
    """Return the folder of an editable install."""
    text = package.read_text("direct_url.json")
    origin: dict[str, Any] = json.loads(text) if text else {}
    if not origin.get("dir_info", {}).get("editable"):
        return None
    url: str = origin["url"]
    return Path(unquote(urlsplit(url).path))


def _build(source: Path, folder: Path) -> None:
    uv = [sys.executable, "-m", "uv"] if importlib.util.find_spec("uv") else _on_path("uv")
    command = (
        [*uv, "build", "--wheel", "--no-create-gitignore", "--out-dir", str(folder)]
        if uv
        else [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(folder)]
    )
    command.append(str(source))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotMade(
            f"The wheel of {source} could not be built; is uv installed? `make build` in the "
            f"working tree makes it, too.\n{done.stderr}"
        )


def _on_path(program: str) -> list[str]:
    found = shutil.which(program)
    return [found] if found else []


def _pack(package: Distribution, folder: Path) -> None:
    name = package.metadata["Name"].replace("-", "_")
    about = f"{name}-{package.version}.dist-info"
    record: list[tuple[str, str, int | str]] = []
    with zipfile.ZipFile(
        folder / f"{name}-{package.version}-{_tag(package)}.whl", "w", zipfile.ZIP_DEFLATED
    ) as wheel:
        for path in sorted(_files(package, name), key=str):
            content = Path(str(path.locate())).read_bytes()
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode()
            record.append((str(path), f"sha256={digest.rstrip('=')}", len(content)))
            _add(wheel, str(path), content)
        record.append((f"{about}/RECORD", "", ""))
        lines = io.StringIO()
        csv.writer(lines, lineterminator="\n").writerows(record)
        _add(wheel, f"{about}/RECORD", lines.getvalue().encode())


def _files(package: Distribution, name: str) -> Iterator[PackagePath]:
    for path in package.files or ():
        # What lies elsewhere is the command itself, which an installer makes.
        in_wheel = path.parts[0] == name or path.parts[0].endswith(".dist-info")
        if in_wheel and path.suffix != ".pyc" and path.name not in _OF_THE_INSTALL:
            yield path


def _add(wheel: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _LONG_AGO)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    wheel.writestr(entry, content)


def _tag(package: Distribution) -> str:
    lines = (package.read_text("WHEEL") or "").splitlines()
    return next(line.partition(": ")[2] for line in lines if line.startswith("Tag: "))
