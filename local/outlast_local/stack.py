"""The one local stack: Restate with its guard, worker and app as processes, each with a log.

The commands, the demo and the tests all use it. Restate listens on Unix sockets, by which app and
worker reach it; its two ports are the guard's.
"""

import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from outlast_local.breakpoints import PATIENT
from outlast_local.environment import (
    inherited_environment,
    with_breakpoints,
    without_provider_keys,
)
from outlast_local.errors import NotRegistered
from outlast_local.keeper import Keeper
from outlast_local.ports import free_ports
from outlast_local.private_files import make_private_folder
from outlast_local.process import Process, end_all
from outlast_local.process_table import ProcessTable
from outlast_local.provider import demo_settings
from outlast_local.registration import as_sentence
from outlast_local.restate.server import RestateServer
from outlast_local.signals import put_off
from outlast_local.sockets import RestateSockets
from outlast_worker.identity import make_identity

_READY_TIMEOUT_S = 60
_GRACE_S = 1
_LOOPBACK = "127.0.0.1"
_ANYWHERE = ("0.0.0.0", "::", "")  # noqa: S104  # compared with, not bound to
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


# Which of the ports are whose.
_LISTENING: Mapping[str, Sequence[str]] = {
    "app": ("app",),
    "worker": ("worker",),
    "all_in_one": ("app", "worker"),
    "guard": ("ingress", "admin"),
    "demo_model": ("model",),
}


@dataclass(frozen=True)
class Ports:
    """Where the stack listens, on loopback."""

    app: int = 8070
    worker: int = 9081
    ingress: int = 8080
    admin: int = 9070
    model: int = 8089

    @classmethod
    def free(cls) -> Self:
        """Return ports that nobody listens on."""
        return cls(*free_ports(5))


class Stack:
    """Restate, worker and app.

    As a context manager it ends what it started, by pid, also if this process is killed.
    """

    def __init__(
        self,
        directory: Path,
        ports: Ports,
        settings: Mapping[str, str] | None = None,
        *,
        demo_model: bool = False,
        project: Path | None = None,
        node_modules: Path | None = None,
        breakpoints: bool = False,
        worker_module: str = "outlast_worker",
    ) -> None:
        """Prepare a stack; `start` starts it.

        Args:
            directory: For data and logs; a second stack on it goes on with the same data.
            ports: Where to listen.
            settings: Environment variables for worker and app.
            demo_model: Whether to start the demo model and send all model calls to it.
            project: The folder whose modules and `.env` count, beside the caller's environment;
                without one the stack takes nothing but what is given here.
            node_modules: The folder whose `node_modules` may have the Restate server; the
                project's, if not given.
            breakpoints: Whether somebody may stop in a tool for long, at this terminal.
            worker_module: What is run as the worker.
        """
        self.directory = directory.resolve()
        self.ports = ports
        inherited = inherited_environment(project)
        self.sockets = RestateSockets(self.directory / "restate")
        self._identity = self.directory / "identity"
        self._base = inherited
        demo = demo_settings(f"http://127.0.0.1:{ports.model}/v1") if demo_model else {}
        self.settings = {**self._defaults(), **demo, **(settings or {})}
        self.settings.setdefault("WORKER_URL", self.worker_url)
        self._cwd = project or self.directory
        make_private_folder(self.directory)
        make_private_folder(self._identity)
        make_identity(self._identity)
        self._table = ProcessTable(self.directory)
        self._keeper = Keeper(self.directory)
        self.guard = self._guard()
        self.restate = self._restate(node_modules or self._cwd, PATIENT if breakpoints else {})
        self.worker = self._python("worker", self.environment, worker_module)
        keyless = without_provider_keys(self.environment)
        self.app = self._python("app", keyless, "outlast_app")
        demo_command = ("outlast_local.demo_model", "--port", str(ports.model))
        self.demo_model = self._python("demo_model", keyless, *demo_command) if demo_model else None
        self.all_in_one = Process(
            "all_in_one",
            [sys.executable, "-m", "outlast_local.one_process"],
            {**self.environment, **(with_breakpoints(inherited) if breakpoints else {})},
            log=None,
            cwd=self._cwd,
        )

    @property
    def app_url(self) -> str:
        """Where clients reach the app."""
        return _url(self.settings["APP_HOST"], self.ports.app)

    @property
    def ingress_url(self) -> str:
        """Where people reach Restate's ingress, through the guard."""
        return f"http://127.0.0.1:{self.ports.ingress}"

    @property
    def demo_model_url(self) -> str:
        """Where the demo model is, if this stack has one."""
        return f"http://127.0.0.1:{self.ports.model}"

    @property
    def admin_url(self) -> str:
        """Where people reach Restate's admin API and UI, through the guard."""
        return f"http://127.0.0.1:{self.ports.admin}"

    def start(self, *, allow_removed: bool = False) -> list[str]:
        """Start everything and return when runs can be started.

        Args:
            allow_removed: As for `register`, whose warnings are returned.
        """
        self.start_demo_model()
        self.start_restate()
        self.start_worker()
        self.start_app()
        warnings = self.register(allow_removed=allow_removed)
        self.wait_ready()
        return warnings

    def start_demo_model(self) -> None:
        """Start the demo model, if this stack has one, and wait until it serves."""
        if self.demo_model:
            self._start(self.demo_model)
            health = f"{self.demo_model_url}/healthz"
            self.demo_model.wait_until(lambda: is_up(health), _READY_TIMEOUT_S)

    def start_restate(self) -> None:
        """Start Restate, and its guard unless that runs already, and wait for both."""
        self.sockets.make()
        self._start(self.restate)
        guarded = self.guard.name in self._table.alive()
        if not guarded:
            self._start(self.guard)
        self.restate.wait_until(self.sockets.are_up, _READY_TIMEOUT_S)
        if not guarded:
            self._wait_for_guard()

    def start_guard(self) -> None:
        """Start the guard of a Restate that runs, and wait for it."""
        self._start(self.guard)
        self._wait_for_guard()

    def start_worker(self) -> None:
        """Start the worker and wait until it serves."""
        self._start(self.worker)
        health = f"{self.worker_url}/healthz"
        self.worker.wait_until(lambda: is_up(health), _READY_TIMEOUT_S)

    def start_all_in_one(self) -> None:
        """Start app and worker as one process, which may or may not come to serve."""
        self._start(self.all_in_one)

    def start_app(self) -> None:
        """Start the app and wait until it serves."""
        self._start(self.app)
        self.app.wait_until(lambda: is_up(f"{self.app_url}/healthz"), _READY_TIMEOUT_S)

    def register(self, *, allow_removed: bool = False) -> list[str]:
        """Register the worker, and return what to know about it.

        Args:
            allow_removed: Whether to warn, instead of refusing, when an agent is gone that has
                runs.

        Raises:
            NotRegistered: It was refused; with what the command said.
        """
        own = self.settings["RESTATE_ADMIN_URL"] == self.sockets.admin_url
        # Another Restate than the stack's is where everybody looks for one.
        elsewhere = (
            {"RESTATE_ADMIN_URL": self.admin_url}
            if own and self.restate.name not in self._table.alive()
            else {}
        )
        done = subprocess.run(
            [
                *(sys.executable, "-m", "outlast_worker", "register"),
                *(("--allow-removed",) if allow_removed else ()),
            ],
            env={**self.environment, **elsewhere, "LOG_JSON": "true", "LOG_LEVEL": "WARNING"},
            cwd=self._cwd,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise NotRegistered(f"The worker was not registered.\n{done.stderr}")
        return [as_sentence(line) for line in done.stderr.splitlines() if line.startswith("{")]

    def wait_ready(self) -> None:
        """Wait until the app says that runs can be started."""
        self.app.wait_until(lambda: is_up(f"{self.app_url}/readyz"), _READY_TIMEOUT_S)

    def rotate_logs(self) -> None:
        """Begin new logs; those of the start before are kept beside them."""
        for process in self._processes:
            process.rotate_log()

    def stop(self) -> None:
        """End what runs, all at once; a signal meanwhile kills what is left."""
        end_all(self._processes, _GRACE_S)
        self._keeper.stop()
        self._table.forget_own()
        self.sockets.remove()

    @property
    def _processes(self) -> list[Process]:
        demo = [self.demo_model] if self.demo_model else []
        return [self.app, self.worker, self.all_in_one, self.guard, self.restate, *demo]

    def __enter__(self) -> Self:
        self._keeper.start()
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the worker; all others have it without providers' keys."""
        given = {**self._base, **self.settings}
        return {**given, "PYTHONUNBUFFERED": "1"}

    @property
    def worker_url(self) -> str:
        """Where this machine reaches the worker."""
        return _url(self.settings["WORKER_HOST"], self.ports.worker)

    def _wait_for_guard(self) -> None:
        self.guard.wait_until(lambda: is_up(f"{self.admin_url}/health"), _READY_TIMEOUT_S)

    def _start(self, process: Process) -> None:
        with put_off():
            process.start()
            fields = _LISTENING.get(process.name, ())
            ports = {field: getattr(self.ports, field) for field in fields}
            self._table.add(process.name, process.pid, ports)

    def _defaults(self) -> dict[str, str]:
        ports = self.ports
        return {
            "APP_HOST": _LOOPBACK,
            "APP_PORT": str(ports.app),
            "WORKER_HOST": _LOOPBACK,
            "WORKER_PORT": str(ports.worker),
            "RESTATE_INGRESS_URL": self.sockets.ingress_url,
            "RESTATE_ADMIN_URL": self.sockets.admin_url,
            "WORKER_IDENTITY_KEYS_FILE": str(self._identity / "public"),
            "STREAM_SECRET_FILE": str(self._identity / "stream-secret"),
        }

    def _python(
        self, name: str, environment: Mapping[str, str], module: str, *arguments: str
    ) -> Process:
        return Process(
            name,
            [sys.executable, "-m", module, *arguments],
            environment,
            self.directory / f"{name}.log",
            self._cwd,
        )

    def _guard(self) -> Process:
        ports, sockets = self.ports, self.sockets
        return Process(
            "guard",
            [
                *(sys.executable, "-m", "outlast_local.guard"),
                *("--ingress", f"{_LOOPBACK}:{ports.ingress}", sockets.ingress_url),
                *("--admin", f"{_LOOPBACK}:{ports.admin}", sockets.admin_url),
            ],
            # How the others log is theirs to refuse.
            {**without_provider_keys(self.environment), "LOG_LEVEL": "INFO", "LOG_JSON": "true"},
            self.directory / "guard.log",
            self._cwd,
        )

    def _restate(self, node_modules: Path, patience: Mapping[str, str]) -> RestateServer:
        settings = {
            **self.sockets.settings,
            # Where the UI, which runs in a browser, finds the ingress.
            "RESTATE_INGRESS__ADVERTISED_ADDRESS": self.ingress_url,
            "RESTATE_REQUEST_IDENTITY_PRIVATE_KEY_PEM_FILE": str(self._identity / "restate.pem"),
            **patience,
        }
        folders = (self.directory, self.sockets.folder)
        base = without_provider_keys(self._base)
        return RestateServer(folders, settings, base, node_modules)


def is_up(url: str) -> bool:
    """Tell whether an address answers 200."""
    try:
        with _NO_PROXY.open(url, timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def _url(host: str, port: int) -> str:
    """Return where this machine reaches what listens on an address."""
    reached = _LOOPBACK if host in _ANYWHERE else host
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"
