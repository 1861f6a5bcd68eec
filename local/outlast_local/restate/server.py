"""The server of a local stack as a process: from PATH, else in Docker, else fetched by npm."""

import signal
from collections.abc import Mapping
from pathlib import Path

from outlast_local.errors import NoRestate
from outlast_local.process import Process
from outlast_local.restate import VERSION, binary, container, npm

_CONFIG = Path(__file__).parent / "restate.toml"
_ARGUMENTS = ("--no-logo", "--config-file", str(_CONFIG))


class RestateServer(Process):
    """The server, looked for when it is started."""

    def __init__(
        self,
        folders: tuple[Path, ...],
        settings: Mapping[str, str],
        base: Mapping[str, str],
        node_modules: Path,
    ) -> None:
        """Prepare it.

        Args:
            folders: What it needs to reach; the first is the stack's, for data and log.
            settings: The server's own, as environment variables.
            base: What else is in its environment.
            node_modules: The folder whose `node_modules` may have it.
        """
        directory = folders[0]
        super().__init__("restate", (), {**base, **settings}, directory / "restate.log", directory)
        self._directory = directory
        self._folders = folders
        self._settings = settings
        self._node_modules = node_modules
        self._in_container = False

    def start(self) -> None:
        """Find the server and start it.

        Raises:
            NoRestate: With what to install.
            NotFetched: It could not be fetched.
        """
        container.remove(self._directory)  # one that was left by a stack that was killed
        if not self._command:
            self._command = self._find()
        super().start()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, to the container too where its client can't pass it on."""
        if number == signal.SIGKILL and self._in_container and self.running:
            container.remove(self._directory)
        super().signal(number)

    def _find(self) -> list[str]:
        found = binary.in_node_modules(self._node_modules) or binary.on_path() or npm.fetched()
        if found is None and container.is_usable():
            container.pull()
            self._in_container = True
            return container.command(self._folders, _CONFIG, self._settings, _ARGUMENTS)
        if found is None and npm.can_fetch():
            found = npm.fetch()
        if found is None:
            raise NoRestate(
                "There is no Restate server. Install Docker, or Node.js 18 or later with npm "
                f"(either is used to fetch it), or put restate-server {VERSION} on PATH."
            )
        return [str(found), *_ARGUMENTS]
