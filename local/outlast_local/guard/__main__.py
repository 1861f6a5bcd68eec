"""The guard's command line; the package says what it is for."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Iterator, Sequence

import uvloop

from outlast.addresses import Address
from outlast.hosts import parse_authority
from outlast.logging import configure_logging, get_logger
from outlast.settings_errors import InvalidSettings, read_settings
from outlast_local.guard.server import ListenError, OpenDoor, listen, serving
from outlast_local.guard.settings import GuardSettings
from outlast_local.guard.visitors import DOORS

_logger = get_logger()


def main() -> int:
    """Serve until SIGTERM."""
    parser = _parser()
    arguments = parser.parse_args()
    try:
        settings = read_settings(GuardSettings)
        configure_logging(settings.log_level, as_json=settings.log_json)
        doors = list(_doors(parser, arguments))
    except (InvalidSettings, ListenError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    uvloop.run(_serve(doors, settings))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m outlast_local.guard", description="Keeps web pages off Restate's ports."
    )
    for door in DOORS:
        parser.add_argument(
            f"--{door}",
            nargs=2,
            metavar=("HOST:PORT", "RESTATE"),
            help=f"where to listen for Restate's {door}, and where that is (http://… or unix:///…)",
        )
    return parser


def _doors(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> Iterator[OpenDoor]:
    if not any(getattr(arguments, door) for door in DOORS):
        parser.error("nothing to guard: give --ingress, --admin or both")
    for door in DOORS:
        pair: Sequence[str] | None = getattr(arguments, door)
        if pair is None:
            continue
        where, restate = pair
        authority = parse_authority(where)
        if authority is None or authority.port is None:
            parser.error(f"--{door}: {where} is not an address such as 127.0.0.1:8080")
        try:
            address = Address.parse(restate)
        except ValueError as error:
            parser.error(f"--{door}: {restate} {error}")
        yield OpenDoor(door, listen(door, authority.host, authority.port), address)


async def _serve(doors: Sequence[OpenDoor], settings: GuardSettings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serving(doors, settings.public_hosts, settings.public_ports, settings.cors_origins):
        _logger.info("guard_listens", ports=[door.port for door in doors])
        await stop.wait()
    _logger.info("guard_stopped")


if __name__ == "__main__":
    sys.exit(main())
