"""Where a local stack's Restate listens: at Unix sockets, which no browser can reach.

Restate puts its sockets beside its data, whose path may be longer than a socket's can be. So
there is a short folder of this user's alone, with a link to the data.
"""

import hashlib
import http.client
import os
import socket
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from outlast_local.errors import ForeignFolder
from outlast_local.private_files import make_private_folder

_NODE = "node-1"
_PARENT = Path("/tmp")  # noqa: S108  # what is in it is checked
_TIMEOUT_S = 2


class RestateSockets:
    """The sockets of the server whose data is in one folder."""

    def __init__(self, data: Path) -> None:
        """Know where they are; `make` prepares the folder.

        Args:
            data: What would be Restate's base folder, as an absolute path.
        """
        # The same for each command of a stack, whatever its environment.
        name = hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
        self.folder = _PARENT / f"outlast-{os.getuid()}-{name}"
        self._link = self.folder / _NODE
        self._data = data / _NODE

    @property
    def settings(self) -> Mapping[str, str]:
        """What makes Restate listen there and nowhere else, as environment variables."""
        return {
            "RESTATE_BASE_DIR": str(self.folder),
            "RESTATE_NODE_NAME": _NODE,
            "RESTATE_LISTEN_MODE": "unix",
            # By default it follows the link.
            "RESTATE_ADVERTISED_ADDRESS": self._url("fabric"),
        }

    @property
    def ingress_url(self) -> str:
        """Where the app reaches the ingress."""
        return self._url("ingress")

    @property
    def admin_url(self) -> str:
        """Where app and registration reach the admin API."""
        return self._url("admin")

    def make(self) -> None:
        """Make the folder and its link.

        Raises:
            ForeignFolder: Somebody else has something of that name.
        """
        make_private_folder(self._data.parent)
        make_private_folder(self._data)
        with suppress(FileExistsError):
            self.folder.mkdir(mode=0o700)
        found = self.folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise ForeignFolder(
                f"{self.folder} is not a folder of this user's alone. Remove it, and try again."
            )
        with suppress(FileExistsError):
            self._link.symlink_to(self._data)

    def remove(self) -> None:
        """Take the folder away; the data stays."""
        with suppress(FileNotFoundError):
            self._link.unlink()
            self.folder.rmdir()

    def are_up(self) -> bool:
        """Tell whether Restate answers at both."""
        return self._is_up("admin", "/health") and self._is_up("ingress", "/restate/health")

    def _url(self, server: str) -> str:
        return f"unix://{self._link}/{server}.sock"

    def _is_up(self, server: str, path: str) -> bool:
        connection = _SocketConnection(self._link / f"{server}.sock")
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of the host."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(_TIMEOUT_S)
        self.sock.connect(str(self._path))
