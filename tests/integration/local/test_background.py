"""`outlast up` and what goes with it: `down`, `restart`, `status`, `logs`, `register`."""

import json
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from fakes.local_command import LocalCommand, outlast
from fakes.waiting import DEADLINE_S, wait_until
from integration.local.conftest import PORTS
from outlast_local.process_table import ProcessTable

Start = Callable[..., LocalCommand]

# What was set for the start of a stack alone, as in `AGENTS=mine APP_PORT=8071 outlast up`.
_ELSEWHERE = {"AGENTS": "", **dict.fromkeys(PORTS, "")}
AGENT = "from outlast import Agent\nagents = [Agent(name='mine', instructions='Help.')]\n"


def done(command: LocalCommand, status: int = 0) -> str:
    """Wait for a command's end, and return what it said."""
    command.wait_to_end()
    assert command.process.returncode == status, command.said()
    assert "Traceback" not in command.said()
    return command.said()


def running(folder: Path, agents: str = "example_agents") -> ProcessTable:
    return ProcessTable(folder / ".outlast" / agents)


def ask(command: LocalCommand, agent: str, text: str) -> dict[str, str]:
    address = f"{command.environment['OUTLAST_URL']}/agents/{agent}/runs"
    return httpx.post(address, json={"input": text}, trust_env=False, timeout=30).json()


@pytest.mark.parametrize("started", ["restate", "worker", "app"])
def test_ctrl_c_while_the_stack_starts(start: Start, tmp_path: Path, started: str) -> None:
    """`up` that is interrupted leaves nothing, whatever it has started."""
    up = start(outlast("up"))
    table = running(tmp_path)
    wait_until(lambda: started in table.alive(), f"{started} in stack.json")
    up.press_ctrl_c()
    done(up, 130)
    assert up.left() == []
    assert table.alive() == {}


def test_a_life(start: Start, tmp_path: Path) -> None:
    """A stack is started, looked at, asked and ended, with its data kept."""
    folder = tmp_path / ".outlast" / "example_agents"
    assert "app       http://127.0.0.1:" in done(start(outlast("up")))
    assert (folder.parent / ".gitignore").read_text() == "*\n"
    assert "Already running" in done(start(outlast("up")), 1)

    status = done(start(outlast("status")))
    worker = running(tmp_path).alive()["worker"]
    assert f"worker      {worker.pid}" in status
    names = (
        "assistant, bookkeeper, cashier, companion, concierge, desk, guide, handbook, office, "
        "shipping, support, translator, triage, warehouse"
    )
    assert f"with {names}" in status
    assert done(start(outlast("status"), **_ELSEWHERE)) == status

    assert ask(start(outlast("list")), "support", "Where is A-1003?")["status"] == "completed"
    ended = done(start(outlast("down"), **_ELSEWHERE))
    assert all(f"{part} ended" in ended for part in ("app", "worker", "restate", "demo_model"))
    assert "not running" in done(start(outlast("status")), 1)
    assert "Nothing runs" in done(start(outlast("restart", "app")), 1)

    up = start(outlast("up"))
    done(up)
    before, now = ((folder / name).read_text() for name in ("worker.log.1", "worker.log"))
    assert (before.count("worker_starts"), before.count("run_ended")) == (1, 1)
    assert (now.count("worker_starts"), now.count("run_ended")) == (1, 0)
    runs = json.loads(done(start(outlast("runs", "--json"))))
    assert [run["status"] for run in runs["items"]] == ["completed"]
    done(start(outlast("down")))
    assert up.left() == []


def test_logs(start: Start, tmp_path: Path) -> None:
    """What the parts log is read, and followed over the restart of one."""
    up = start(outlast("up"))
    done(up)
    worker = running(tmp_path).alive()["worker"]
    assert '"event":"worker_starts"' in done(start(outlast("logs", "worker")))
    assert "There is no log of others" in done(start(outlast("logs", "others")), 1)
    following = start(outlast("logs", "--follow"))
    following.wait_to_say("models_loaded")
    assert "worker     | {" in following.said()

    assert "worker started again" in done(start(outlast("restart", "worker"), **_ELSEWHERE))
    assert running(tmp_path).alive()["worker"].pid != worker.pid
    following.wait_to_say('"event":"worker_starts"', times=2)
    following.press_ctrl_c()
    done(following, 130)
    done(start(outlast("down")))
    assert up.left() == []


def test_who_has_secrets(start: Start, tmp_path: Path) -> None:
    """The worker alone has providers' keys; nobody else on this machine reads data and logs."""
    folder = tmp_path / ".outlast" / "example_agents"
    (folder / "restate").mkdir(parents=True, mode=0o755)  # as an older version left them
    (folder / "worker.log").touch(mode=0o644)
    done(start(outlast("up"), TOGETHER_API_KEY="sk-1", AWS_SECRET_ACCESS_KEY="aws-1"))
    secret = {"TOGETHER_API_KEY", "AWS_SECRET_ACCESS_KEY", "WORKER_PROVIDERS"}
    parts = running(tmp_path).alive()
    having = {name: secret & process.environ().keys() for name, process in parts.items()}
    assert having == {
        "worker": secret,
        **{name: set() for name in ("app", "guard", "restate", "demo_model")},
    }
    folders = [folder.parent, folder, folder / "identity", folder / "restate"]
    assert {stat.S_IMODE(found.stat().st_mode) for found in folders} == {0o700}
    logs = [*folder.glob("*.log"), folder / "worker.log.1"]
    assert len(logs) == 6
    assert {stat.S_IMODE(found.stat().st_mode) for found in logs} == {0o600}
    done(start(outlast("down")))


def test_down_after_a_part_has_died(start: Start, tmp_path: Path) -> None:
    """`down` ends what is left of a stack, and then it can be started again."""
    done(start(outlast("up")))
    running(tmp_path).alive()["restate"].kill()
    assert "not running" in done(start(outlast("status")), 1)
    down = start(outlast("down"))
    done(down)
    assert down.left() == []
    done(start(outlast("up")))
    done(start(outlast("down")))


def test_down_after_up_was_killed(start: Start, tmp_path: Path) -> None:
    """Processes are written down as they start, so that `down` finds them."""
    up = start(outlast("up"))
    table = running(tmp_path)
    wait_until(lambda: "worker" in table.alive(), "the worker in stack.json")
    up.process.kill()
    down = start(outlast("down"))
    done(down)
    assert down.left() == []


def test_orders_of_ones_own(start: Start, tmp_path: Path) -> None:
    """The example agent's orders are where SUPPORT_DB says, from its first call on."""
    path = tmp_path / "orders" / "mine.db"
    up = start(outlast("up"), SUPPORT_DB=str(path))
    done(up)
    assert "Monitor arm" in ask(up, "support", "Where is my order A-1003?")["output"]
    assert path.exists()
    assert not (tmp_path / ".outlast" / "support.db").exists()
    done(start(outlast("down")))


def test_agents_elsewhere(start: Start, tmp_path: Path) -> None:
    """A module in PYTHONPATH is found by both processes; the call that is shown names its agent."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "others.py").write_text(AGENT)
    stack = {"AGENTS": "others", "PYTHONPATH": str(tmp_path / "elsewhere"), "STACK_DIR": "data"}
    up = start(outlast("up"), DATADOG_API_KEY="d", **stack)
    assert f"curl {up.environment['OUTLAST_URL']}/agents/mine/runs " in done(up)
    assert "stand-in" in ask(up, "mine", "Hello")["output"]
    done(start(outlast("down"), **stack))
    assert (tmp_path / "data" / "worker.log").exists()
    assert up.left() == []


def test_names_that_ours_had(start: Start, tmp_path: Path) -> None:
    """A project's packages may be called what it likes, as ours have names of their own."""
    for name in ("app", "worker", "shared", "cli", "dev", "tests"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"{name.upper()} = 'theirs'\n")
    imports = "from app import APP\nfrom shared import SHARED\nfrom worker import WORKER\n"
    (tmp_path / "app" / "agents.py").write_text(imports + AGENT)
    up = start(outlast("up"), AGENTS="app.agents")
    done(up)
    assert ask(up, "mine", "Hello")["status"] == "completed"
    done(start(outlast("down"), AGENTS="app.agents"))


def test_a_removed_agent(start: Start, tmp_path: Path) -> None:
    """An agent that is gone although its runs have not ended is a warning, with what to do."""
    module = tmp_path / "in_work.py"
    module.write_text(AGENT)
    stack = {"AGENTS": "in_work"}
    up = start(outlast("up"), **stack)
    done(up)
    address = f"{up.environment['OUTLAST_URL']}/agents/mine/runs"
    later = {"input": "Hello", "after_s": 3600}
    httpx.post(address, json=later, headers={"Prefer": "respond-async"}, trust_env=False)
    module.write_text(AGENT.replace("mine", "other"))
    said = done(start(outlast("restart", "worker"), **stack))
    assert "The agent mine is gone, but 1 of its runs have not ended" in said
    assert "outlast cancel RUN" in said
    done(start(outlast("down"), **stack))
    done(start(outlast("up"), **stack))
    assert "The worker is registered" in done(start(outlast("register"), **stack))
    done(start(outlast("down"), **stack))


def test_register_elsewhere(start: Start) -> None:
    """`register` goes where RESTATE_ADMIN_URL says, and its Ctrl-C is not an error."""
    with socket.create_server(("127.0.0.1", 0)) as admin:
        admin.settimeout(DEADLINE_S)
        url = f"http://127.0.0.1:{admin.getsockname()[1]}"
        command = start(outlast("register"), RESTATE_ADMIN_URL=url)
        admin.accept()[0].close()
        command.press_ctrl_c()
        done(command, 130)
    assert command.left() == []
