"""A local stack talks to the demo model unless somebody chose a model or a provider."""

import subprocess
import sys
from pathlib import Path

import pytest

from fakes.repository import ROOT
from outlast.settings import DEFAULT_MODEL
from outlast_local.provider import chosen_model, describe_model

CHOICES = [
    ("OPENAI_API_KEY", "sk", DEFAULT_MODEL),
    ("ANTHROPIC_API_KEY", "sk", DEFAULT_MODEL),
    ("WORKER_PROVIDERS", "{}", DEFAULT_MODEL),
    ("MODEL", "ollama/x", "ollama/x"),
]
NO_CHOICES = [("DATADOG_API_KEY", "d"), ("MY_OPENAI_API_KEY", "m"), ("OPENAI_API_KEY", "")]


@pytest.mark.parametrize(("name", "value", "model"), CHOICES)
def test_choices(
    project: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, model: str
) -> None:
    """A provider's key, its settings or a model is a choice, in the shell or in `.env`."""
    (project / ".env").write_text(f"{name}='{value}'\n")
    assert chosen_model() == model
    (project / ".env").unlink()
    monkeypatch.setenv(name, value)
    assert chosen_model() == model


@pytest.mark.parametrize(("name", "value"), NO_CHOICES)
def test_no_choice(project: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """Other programs' keys are none, and neither is an empty one."""
    (project / ".env").write_text(f"{name}={value}\n")
    monkeypatch.setenv(name, value)
    assert chosen_model() is None


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("OPENAI_KEY", "OPENAI_API_KEY"),
        ("OPENAI_API_KYE", "OPENAI_API_KEY"),
        ("CLAUDE_API_KEY", "ANTHROPIC_API_KEY"),
        ("GROK_API_KEY", "XAI_API_KEY"),
        ("GITHUB_TOKEN", ""),
        ("SSH_KEY", ""),
    ],
)
def test_a_key_of_another_name(project: Path, given: str, meant: str) -> None:
    """Who gave a key, and gets the demo model, is told what it has to be called."""
    assert describe_model() == "the demo model, a stand-in (no provider key found)"
    (project / ".env").write_text(f"{given}=sk-secret\n")
    hint = f"; if {given} is one, call it {meant}" if meant else ""
    assert describe_model() == f"the demo model, a stand-in (no provider key found{hint})"


def test_a_key_for_another_model_than_the_default(project: Path) -> None:
    """Who gave another provider's key alone is told to name a model, before the first run fails."""
    (project / ".env").write_text("ANTHROPIC_API_KEY=sk-ant\n")
    hint = ", for which there is no key; for ANTHROPIC_API_KEY, set MODEL=anthropic/…"
    assert describe_model() == f"{DEFAULT_MODEL}{hint}"
    for more in ("OPENAI_API_KEY=sk", "WORKER_PROVIDERS={}"):
        (project / ".env").write_text(f"ANTHROPIC_API_KEY=sk-ant\n{more}\n")
        assert describe_model() == DEFAULT_MODEL
    (project / ".env").write_text("ANTHROPIC_API_KEY=sk-ant\nMODEL=anthropic/x\n")
    assert describe_model() == "anthropic/x"


@pytest.mark.parametrize(
    ("name", "value", "demo"),
    [
        *((name, value, False) for name, value, _ in CHOICES),
        *((*pair, True) for pair in NO_CHOICES),
    ],
)
def test_make_up_counts_the_same(tmp_path: Path, name: str, value: str, demo: bool) -> None:
    """`make up` starts the demo model by the same rule, in what compose hands to the worker."""
    docker = tmp_path / "docker"
    # Its worker has what a container would have; of the rest only the build works.
    docker.write_text(
        f"#!{sys.executable}\nimport os, sys\n"
        f"has = {{'XAI_API_KEY': '', {name!r}: {value!r}}}\n"
        "python = sys.executable\n"
        "if sys.argv[2] == 'run': os.execve(python, [python, *sys.argv[-2:]], has)\n"
        "sys.exit('build' not in sys.argv)\n"
    )
    docker.chmod(0o755)
    said = subprocess.run(
        ["make", "--no-print-directory", "up"],
        cwd=ROOT,
        env={"PATH": f"{tmp_path}:/usr/local/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ("the demo model answers" in said.stdout) == demo
