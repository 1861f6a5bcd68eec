"""Fresh environments with the packages' wheels, as users have them: nothing of this repository."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
_UV = Path(sys.executable).with_name("uv")
_NOT_INHERITED = ("PYTHON", "VIRTUAL_ENV", "APP_", "WORKER_", "OUTLAST_", "AGENTS", "MODEL")


def _inherited() -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(_NOT_INHERITED)}
    return {**inherited, "UV_PYTHON_DOWNLOADS": "never", "UV_SYSTEM_CERTS": "1"}


def run(
    *command: str | Path, cwd: Path, env: Mapping[str, str] | None = None, timeout_s: float = 300
) -> str:
    """Run a command and return what it wrote; one that fails fails the test with that."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=dict(env or _inherited()),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


@dataclass(frozen=True)
class Environment:
    """A virtual environment, and an empty folder to work in."""

    folder: Path
    work: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def environment(self) -> dict[str, str]:
        """Variables with this environment's programs first, then the Restate server of ours."""
        path = [self.folder / "bin", ROOT / "node_modules/.bin", os.environ["PATH"]]
        return {**_inherited(), "PATH": os.pathsep.join(map(str, path))}

    def run(self, *command: str | Path, cwd: Path | None = None, timeout_s: float = 300) -> str:
        """Run a command here, or in a folder."""
        return run(*command, cwd=cwd or self.work, env=self.environment, timeout_s=timeout_s)

    def run_code(self, code: str) -> str:
        """Run Python code that sees nothing but what is installed."""
        return self.run(self.python, "-I", "-c", code)


@dataclass
class Environments:
    """Makes environments, each once."""

    folder: Path
    wheels: Path
    made: dict[tuple[str, str], Environment] = field(
        default_factory=dict[tuple[str, str], Environment]
    )

    def with_wheels(self, *wanted: str, python: str = sys.executable) -> Environment:
        """Return an environment in which `pip install …` was run."""
        key = (" ".join(wanted), python)
        if key not in self.made:
            folder = self.folder / f"environment-{len(self.made)}"
            made = Environment(folder / "venv", folder / "work")
            made.work.mkdir(parents=True)
            run(_UV, "venv", "--quiet", "--python", python, made.folder, cwd=folder)
            install = ("pip", "install", "--quiet", "--find-links", self.wheels)
            run(_UV, *install, "--python", made.python, *wanted, cwd=folder)
            run(_UV, "pip", "check", "--quiet", "--python", made.python, cwd=folder)
            self.made[key] = made
        return self.made[key]
