"""The names of settings, and what was most likely meant for one of them."""

import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from dotenv import dotenv_values
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from outlast.logging import get_logger
from outlast.spelling import nearest

_PREFIXES = ("APP_", "OUTLAST_", "WORKER_")
# Of the environment only these are looked at: all other names may be anybody's.
_LOOKED_AT = (*_PREFIXES, "RESTATE_")
_logger = get_logger()


class Slip(NamedTuple):
    """A name that is given and is no setting, and the setting that it resembles."""

    given: str
    meant: str


def warn_of_slips(*kinds: type[BaseSettings]) -> None:
    """Log names in the environment and `.env` that were most likely meant for settings.

    It stays a warning: whatever the name is, it may be another program's.
    """
    for given, meant in dict.fromkeys(slip for kind in kinds for slip in slips(kind)):
        _logger.warning("unknown_setting", given=given, did_you_mean=meant)


def variables(kind: type[BaseSettings]) -> Mapping[str, tuple[str, FieldInfo]]:
    """Return settings, with the names of their fields, by how they are written outside."""
    prefix = kind.model_config.get("env_prefix", "")
    return {
        str(field.validation_alias or f"{prefix}{name}").upper(): (name, field)
        for name, field in kind.model_fields.items()
    }


def slips(kind: type[BaseSettings]) -> Iterator[Slip]:
    """Find the slips for settings that are not given themselves."""
    known = variables(kind)
    in_file = _in_file(kind)
    in_environment = {name.upper(): value for name, value in os.environ.items()}
    given = {**in_file, **in_environment}
    for name in given:
        if name in known or not (name in in_file or name.startswith(_LOOKED_AT)):
            continue
        meant = _meant(name, known)
        if meant and not given.get(meant):
            yield Slip(name, meant)


def slip_for(variable: str, kind: type[BaseSettings]) -> str | None:
    """Return what was most likely meant for a setting that is missing."""
    given = {*_in_file(kind), *map(str.upper, os.environ)}
    return next((name for name in sorted(given) if _meant(name, {variable})), None)


def _meant(name: str, known: Mapping[str, object] | set[str]) -> str | None:
    """Return the setting that a name resembles: it has a slip, or a prefix that is too much."""
    shorter = name.removeprefix(next((p for p in _PREFIXES if name.startswith(p)), ""))
    if shorter != name and shorter in known and not shorter.startswith(_PREFIXES):
        return shorter
    return nearest(name, known)


def _in_file(kind: type[BaseSettings]) -> dict[str, str | None]:
    path = kind.model_config.get("env_file")
    if not isinstance(path, str | os.PathLike):
        return {}
    return {name.upper(): value for name, value in dotenv_values(path, interpolate=False).items()}
