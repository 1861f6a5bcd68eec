"""The one local stack: Restate, worker and app as processes, each with a port and a log.

The demo, `make up-local`, the tests and the benchmarks all use it.
"""

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from outlast_local.ports import free_ports
from outlast_local.process import Process, end_all
from outlast_local.process_table import ProcessTable
from outlast_local.provider import demo_settings
from outlast_local.restate_binary import ROOT, restate_binary
from outlast_local.signals import put_off

_READY_TIMEOUT_S = 60
_GRACE_S = 1
_LOOPBACK = "127.0.0.1"
_ANYWHERE = ("0.0.0.0", "::", "")  # noqa: S104  # compared with, not bound to
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))

# What a hermetic stack takes from the environment: no key, no setting.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True)
class Ports:
    """Where the stack listens, on loopback."""

    app: int = 8070
    worker: int = 9081
    ingress: int = 8080
    admin: int = 9070
    node: int = 5122
    model: int = 8089

    @classmethod
    def free(cls) -> Self:
        """Return ports that nobody listens on."""
        return cls(*free_ports(6))


class Stack:
    """Restate, worker and app. As a context manager it ends what it started, by pid."""

    def __init__(
        self,
        directory: Path,
        ports: Ports,
        settings: Mapping[str, str] | None = None,
        *,
        demo_model: bool = False,
        hermetic: bool = True,
    ) -> None:
        """Prepare a stack; `start` starts it.

        Args:
            directory: For data and logs; a second stack on it goes on with the same data.
            ports: Where to listen.
            settings: Environment variables for worker and app.
            demo_model: Whether to start the demo model and send all model calls to it.
            hermetic: Whether to keep the caller's environment and `.env` out.
        """
        self.directory = directory.resolve()
        self.ports = ports
        inherited = (
            {name: os.environ[name] for name in _INHERITED if name in os.environ}
            if hermetic
            else dict(os.environ)
        )
        self._base = {**inherited, **_without_proxy(inherited)}
        demo = demo_settings(f"http://127.0.0.1:{ports.model}/v1") if demo_model else {}
        self.settings = {**self._defaults(), **demo, **(settings or {})}
        self.settings.setdefault("WORKER_URL", self._worker_url)
        self._cwd = self.directory if hermetic else ROOT
        self.directory.mkdir(parents=True, exist_ok=True)
        self._table = ProcessTable(self.directory)
        self.restate = self._restate()
        self.worker = self._python("worker", "outlast_worker")
        self.app = self._python("app", "outlast_app")
        self.demo_model = (
            self._python("demo_model", "outlast_local.demo_model", "--port", str(ports.model))
            if demo_model
            else None
        )
        self.all_in_one = Process(
            "all_in_one",
            [sys.executable, "-m", "outlast_local.one_process"],
            self.environment,
            log=None,
            cwd=self._cwd,
        )

    @property
    def app_url(self) -> str:
        """Where clients reach the app."""
        return _url(self.settings["APP_HOST"], self.ports.app)

    @property
    def ingress_url(self) -> str:
        """Where the app reaches Restate."""
        return f"http://127.0.0.1:{self.ports.ingress}"

    @property
    def admin_url(self) -> str:
        """Where Restate's admin API is."""
        return f"http://127.0.0.1:{self.ports.admin}"

    def start(self) -> None:
        """Start everything and return when runs can be started."""
        self.start_demo_model()
        self.start_restate()
        self.start_worker()
        self.start_app()
        self.register()
        self.wait_ready()

    def start_demo_model(self) -> None:
        """Start the demo model, if this stack has one, and wait until it serves."""
        if self.demo_model:
            self._start(self.demo_model)
            health = f"http://127.0.0.1:{self.ports.model}/healthz"
            self.demo_model.wait_until(lambda: is_up(health), _READY_TIMEOUT_S)

    def start_restate(self) -> None:
        """Start Restate and wait for it."""
        self._start(self.restate)
        self.restate.wait_until(
            lambda: (
                is_up(f"{self.admin_url}/health") and is_up(f"{self.ingress_url}/restate/health")
            ),
            _READY_TIMEOUT_S,
        )

    def start_worker(self) -> None:
        """Start the worker and wait until it serves."""
        self._start(self.worker)
        health = f"{self._worker_url}/healthz"
        self.worker.wait_until(lambda: is_up(health), _READY_TIMEOUT_S)

    def start_all_in_one(self) -> None:
        """Start app and worker as one process, which may or may not come to serve."""
        self._start(self.all_in_one)

    def start_app(self) -> None:
        """Start the app and wait until it serves."""
        self._start(self.app)
        self.app.wait_until(lambda: is_up(f"{self.app_url}/healthz"), _READY_TIMEOUT_S)

    def register(self) -> None:
        """Register the worker, as `make register` does.

        Raises:
            RuntimeError: It was refused; with what the command said.
        """
        done = subprocess.run(
            [sys.executable, "-m", "outlast_worker", "register"],
            env=self.environment,
            cwd=self._cwd,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"The worker was not registered.\n{done.stderr}")

    def wait_ready(self) -> None:
        """Wait until the app says that runs can be started."""
        self.app.wait_until(lambda: is_up(f"{self.app_url}/readyz"), _READY_TIMEOUT_S)

    def stop(self) -> None:
        """End what runs, all at once; a signal meanwhile kills what is left."""
        end_all(self._processes, _GRACE_S)
        self._table.forget_own()

    @property
    def _processes(self) -> list[Process]:
        demo = [self.demo_model] if self.demo_model else []
        return [self.app, self.worker, self.all_in_one, self.restate, *demo]

    def __enter__(self) -> Self:
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
        """The environment of worker and app."""
        given = {**self._base, **self.settings}
        return {**given, "PYTHONUNBUFFERED": "1"}

    @property
    def _worker_url(self) -> str:
        return _url(self.settings["WORKER_HOST"], self.ports.worker)

    def _start(self, process: Process) -> None:
        with put_off():
            process.start()
            self._table.add(process.name, process.pid)

    def _defaults(self) -> dict[str, str]:
        ports = self.ports
        return {
            "APP_HOST": _LOOPBACK,
            "APP_PORT": str(ports.app),
            "WORKER_HOST": _LOOPBACK,
            "WORKER_PORT": str(ports.worker),
            "RESTATE_INGRESS_URL": f"http://127.0.0.1:{ports.ingress}",
            "RESTATE_ADMIN_URL": f"http://127.0.0.1:{ports.admin}",
            "SUPPORT_DB": str(self.directory / "support.db"),
        }

    def _python(self, name: str, module: str, *arguments: str) -> Process:
        return Process(
            name,
            [sys.executable, "-m", module, *arguments],
            self.environment,
            self.directory / f"{name}.log",
            self._cwd,
        )

    def _restate(self) -> Process:
        ports = self.ports
        addresses = {
            "RESTATE_BASE_DIR": str(self.directory / "restate"),
            "RESTATE_NODE_NAME": "node-1",
            "RESTATE_BIND_IP": "127.0.0.1",
            "RESTATE_LISTEN_MODE": "tcp",
            "RESTATE_BIND_PORT": str(ports.node),
            "RESTATE_INGRESS__BIND_PORT": str(ports.ingress),
            "RESTATE_ADMIN__BIND_PORT": str(ports.admin),
        }
        return Process(
            "restate",
            [
                str(restate_binary("restate-server")),
                "--no-logo",
                "--config-file",
                str(ROOT / "deploy" / "restate.toml"),
            ],
            {**self._base, **addresses},
            self.directory / "restate.log",
            self.directory,
        )


def is_up(url: str) -> bool:
    """Tell whether an address answers 200."""
    try:
        with _NO_PROXY.open(url, timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def _without_proxy(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what keeps calls on this machine off a proxy, beside those that are kept off it."""
    given = (environment.get(name, "") for name in ("NO_PROXY", "no_proxy"))
    listed = ",".join((*given, _LOOPBACK, "localhost")).split(",")
    names = dict.fromkeys(name.strip() for name in listed if name.strip())
    # In a list a star is but a name.
    value = "*" if "*" in names else ",".join(names)
    return {"NO_PROXY": value, "no_proxy": value}


def _url(host: str, port: int) -> str:
    """Return where this machine reaches what listens on an address."""
    reached = _LOOPBACK if host in _ANYWHERE else host
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"
