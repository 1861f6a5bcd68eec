"""How a run stands, as far as Restate knows."""

from dataclasses import dataclass

from outlast.protocol import Run


@dataclass(frozen=True)
class Ended:
    """The run has returned."""

    run: Run


@dataclass(frozen=True)
class Broken:
    """The run did not return: somebody killed it, or the engine refused it."""

    killed: bool
    reason: str


@dataclass(frozen=True)
class Pending:
    """The run is accepted and has not ended."""


@dataclass(frozen=True)
class Unknown:
    """Restate knows no such run."""


@dataclass(frozen=True)
class Repeated:
    """A run of this id was accepted before."""


Outcome = Ended | Broken | Pending | Unknown
