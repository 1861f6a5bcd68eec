"""Makes `.venv` with the Python that runs this, and puts uv there: `python dev/make_venv.py`.

A `.venv` whose Python is in range stays as it is. Exits with UNFIT where another Python should be
tried: this one is out of range (so this file must be readable to older ones), or has no venv.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

UNFIT = 3
_IN_RANGE = "import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))"
_PYTHON = Path(".venv/bin/python")


def main() -> int:
    """Make it, and return the exit status."""
    if not (3, 11) <= sys.version_info < (3, 14):
        return UNFIT
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        sys.stderr.write(
            f"{sys.executable} has no venv module. Install it (Debian, Ubuntu: "
            "apt install python3-venv).\n"
        )
        return UNFIT
    import step  # noqa: PLC0415  # which an older Python could not read

    if not _is_in_range(_PYTHON):
        version = ".".join(map(str, sys.version_info[:3]))
        command = [sys.executable, "-m", "venv", "--clear", ".venv"]
        if status := step.run(f"Creating .venv with Python {version}", command):
            return status
    install = [str(_PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    install += ["--require-hashes", "--requirement", "requirements/uv.txt"]
    return step.run("Installing uv, which installs the rest (60 MB on disk)", install)


def _is_in_range(python: Path) -> bool:
    return python.exists() and subprocess.call([str(python), "-c", _IN_RANGE]) == 0


if __name__ == "__main__":
    sys.exit(main())
