"""`outlast dev`: reload, mistakes, settings, breakpoints, and its end."""

import signal
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from fakes.local_command import MOMENTS_S, LocalCommand, outlast
from fakes.waiting import wait_until
from outlast_local.process_table import ProcessTable

Start = Callable[..., LocalCommand]

AGENT = "from outlast import Agent\nagents = [Agent(name='mine', instructions='Help.')]\n"
STOPPING = '''
from datetime import timedelta
from outlast import Agent, tool

@tool(timeout=timedelta(seconds=1))
{kind} weather(city: str) -> str:
    """Forecast the weather.

    Args:
        city: Where.
    """
    seen = "cloudy"
    breakpoint()
    return f"It is {{seen}}."

agents = [Agent(name="mine", instructions="Help.", tools=[weather])]
'''


def table(folder: Path) -> ProcessTable:
    return ProcessTable(folder / ".outlast" / "in_work")


def is_ready(dev: LocalCommand) -> bool:
    try:
        address = f"{dev.environment['OUTLAST_URL']}/readyz"
        return httpx.get(address, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def test_mistakes(start: Start, tmp_path: Path) -> None:
    """A mistake is shown, the next save is served, and Ctrl-C ends all of it."""
    module = tmp_path / "in_work.py"
    module.write_text("agents = [\n")
    dev = start(outlast("dev"), AGENTS="in_work")
    dev.wait_to_say("Waiting for a change …")
    assert f'File "{module}"' in dev.said()
    assert "SyntaxError" in dev.said()
    assert "importlib" not in dev.said()
    module.write_text(AGENT)
    dev.wait_to_say("registered")
    written = tmp_path / "written.tmp"
    written.write_text("agents = no_such_name\n")
    written.replace(module)
    dev.wait_to_say("NameError")
    dev.wait_to_say("Waiting for a change …", times=2)
    assert "already dead" not in dev.said()
    module.write_text(AGENT)
    wait_until(lambda: is_ready(dev), "readiness")
    dev.press_ctrl_c()
    assert dev.wait_to_end() < MOMENTS_S
    assert dev.process.returncode == 130
    assert dev.left() == []
    assert "Traceback" not in dev.said().partition("Stopping …")[2]


def test_other_settings(start: Start, tmp_path: Path) -> None:
    """A change of `.env` starts all anew, and a mistake in it can be mended."""
    env = tmp_path / ".env"
    (tmp_path / "in_work.py").write_text(AGENT)
    dev = start(outlast("dev"), AGENTS="in_work")
    dev.wait_to_say("registered")
    assert "the demo model, a stand-in" in dev.said()
    assert "another terminal" not in dev.said()  # OUTLAST_URL is set here
    env.write_text("WORKER_SUSPEND_AFTER_S=-1\nOPENAI_API_KEY=sk-mine\n")
    dev.wait_to_say("WORKER_SUSPEND_AFTER_S must be greater than 0")
    dev.wait_to_say("Waiting for a change …")
    env.write_text("OPENAI_API_KEY=sk-mine\n")
    dev.wait_to_say("registered", times=2)
    assert "demo_model" not in table(tmp_path).alive()
    assert "sk-mine" not in dev.said()
    dev.press_ctrl_c()
    dev.wait_to_end()
    assert dev.left() == []


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_breakpoint(start: Start, tmp_path: Path, kind: str) -> None:
    """A tool can be stopped in for longer than it may take, looked at, and let go on, once."""
    (tmp_path / "in_work.py").write_text(STOPPING.format(kind=kind))
    dev = start(outlast("dev"), AGENTS="in_work")
    dev.wait_to_say("models_loaded")
    wait_until(lambda: is_ready(dev), "readiness")
    run = start(outlast("run", "mine", "The weather in Ulm?"), AGENTS="in_work")
    dev.wait_to_say("(Pdb) ")
    dev.type("import time; time.sleep(2)")  # longer than the tool's timeout and the watchdog's
    dev.wait_to_say("(Pdb) ", times=2)
    dev.type("seen = 'sunny'")
    dev.wait_to_say("(Pdb) ", times=3)
    dev.type("c")
    run.wait_to_end()
    assert "weather answered: It is sunny." in run.said()
    assert "event_loop_blocked" not in dev.said()
    assert dev.said().count("-> return f") == 1  # the call was not executed again
    dev.press_ctrl_c()
    dev.wait_to_end()
    assert dev.left() == []


@pytest.mark.parametrize("moment", ["Waiting for a change …", "registered"])
def test_a_new_stack_in_the_folder_of_an_old_one(start: Start, tmp_path: Path, moment: str) -> None:
    """`down` ends `dev`, too, which then forgets nothing of the stack that follows."""
    module = tmp_path / "in_work.py"
    module.write_text(AGENT if moment == "registered" else "agents = [\n")
    stack = {"AGENTS": "in_work"}
    dev = start(outlast("dev"), **stack)
    dev.wait_to_say(moment)
    dev.process.send_signal(signal.SIGSTOP)  # so that it hears of its end after the next start
    refused = start(outlast("up"), **stack)
    refused.wait_to_end()
    assert refused.process.returncode == 1
    assert "Already running" in refused.said()
    start(outlast("down"), **stack).wait_to_end()
    module.write_text(AGENT)
    up = start(outlast("up"), **stack)
    up.wait_to_end()
    assert up.process.returncode == 0, up.said()
    dev.process.send_signal(signal.SIGCONT)
    dev.wait_to_end()
    assert dev.process.returncode == 1
    assert "Traceback" not in dev.said()
    assert {"restate", "worker", "app"} <= table(tmp_path).alive().keys()
    down = start(outlast("down"), **stack)
    down.wait_to_end()
    assert "restate ended" in down.said()
    assert down.left() == []


def test_restate_ends(start: Start, tmp_path: Path) -> None:
    """Without Restate `dev` waits for nothing, and says so in one line."""
    (tmp_path / "in_work.py").write_text(AGENT)
    dev = start(outlast("dev"), AGENTS="in_work")
    dev.wait_to_say("registered")
    table(tmp_path).alive()["restate"].terminate()
    dev.wait_to_end()
    assert dev.process.returncode == 1
    assert dev.said().count("Restate has ended, perhaps by `outlast down`") == 1
    assert "Traceback" not in dev.said()
    assert dev.left() == []


def test_wrong_settings(start: Start) -> None:
    """`dev` ends at settings that are wrong from the start, with what to write."""
    dev = start(outlast("dev"), LOG_LEVEL="foo", WORKER_SUSPEND_AFTER_S="-1")
    dev.wait_to_end()
    assert dev.process.returncode == 1
    assert "LOG_LEVEL must be 'DEBUG'," in dev.said()
    assert "WORKER_SUSPEND_AFTER_S must be greater than 0\n" in dev.said()
    assert "Waiting for a change" not in dev.said()
    assert "Traceback" not in dev.said()
    assert dev.left() == []
