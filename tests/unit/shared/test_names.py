"""Names and keys that app and worker build alike."""

import re

import pytest

from outlast import names
from outlast.errors import UnknownRun
from outlast.names import RunRef, ThreadRef


@pytest.mark.parametrize("agent", ["a", "support", "a-1_b", "z" * 63])
def test_round_trip(agent: str) -> None:
    """A run id says which agent it is of."""
    for run_id in (names.new_run_id(agent), names.derived_run_id(agent, "key")):
        ref = RunRef.parse("acme", run_id)
        assert (ref.tenant, ref.run_id, ref.agent) == ("acme", run_id, agent)
        assert RunRef.from_key(ref.key) == ref


def test_run_ids_differ() -> None:
    """No two runs have the same id, and an id can be typed and put into a URL."""
    made = {names.new_run_id("support") for _ in range(1000)}
    assert len(made) == 1000
    assert all(re.fullmatch(r"support\.[a-z2-7]{26}", run_id) for run_id in made)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "support",
        "support.",
        "support.short",
        "Support.aaaaaaaaaaaaaaaaaaaaaaaaaa",
        "support.AAAAAAAAAAAAAAAAAAAAAAAAAA",
        "support.aaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "support.aaaaaaaaaaaaaaaaaaaaaaaaa1",
        "support.aaaaaaaaaaaaaaaaaaaaaaaaaa\n",
        "a'b.aaaaaaaaaaaaaaaaaaaaaaaaaa",
        "a/b.aaaaaaaaaaaaaaaaaaaaaaaaaa",
        ".aaaaaaaaaaaaaaaaaaaaaaaaaa",
    ],
)
def test_what_is_not_a_run_id(text: str) -> None:
    """Anything else is refused: it could end up in a query or an address."""
    with pytest.raises(UnknownRun, match="not a run id"):
        RunRef.parse("acme", text)
    assert RunRef.from_key(f"acme/{text}") is None


def test_derived_run_ids() -> None:
    """The same parts give the same id, for ever: a repeated request finds its run."""
    assert names.derived_run_id("support", "acme", "k") == "support.2g57a6licdxgqvkpsix6bn2ab4"


@pytest.mark.parametrize(
    "parts",
    [
        ("support", "acme", "other"),
        ("support", "other", "k"),
        ("assistant", "acme", "k"),
        ("support", "acmek"),
        ("support", "acm", "ek"),
        ("support", "acme", "k", ""),
    ],
)
def test_derived_run_ids_of_other_parts(parts: tuple[str, ...]) -> None:
    """Another tenant, agent or key gives another id, however the parts are cut."""
    tail = names.derived_run_id(*parts).partition(".")[2]
    assert tail != names.derived_run_id("support", "acme", "k").partition(".")[2]


def test_keys() -> None:
    """A key begins with its tenant, and no tenant's name can hold the separator."""
    assert names.key_of("acme", "t-1") == "acme/t-1"
    assert names.key_of("acme", "t-1") != names.key_of("other", "t-1")


@pytest.mark.parametrize("prefix", ["", "team-"])
def test_services(prefix: str) -> None:
    """Every service of a worker has its prefix, and none is called as an agent may be."""
    services = [
        names.service_of("support", prefix),
        names.thread_service(prefix),
        names.thread_watch_service(prefix),
    ]
    assert services == [f"{prefix}support", f"{prefix}Thread", f"{prefix}ThreadWatch"]
    assert not names.is_agent_name("Thread")


def test_where_runs_and_threads_are() -> None:
    """Each finds its service and key, under its tenant."""
    run, thread = RunRef("acme", "support.x"), ThreadRef("acme", "t-1")
    assert (run.service("team-"), run.key) == ("team-support", "acme/support.x")
    assert (thread.service("team-"), thread.key) == ("team-Thread", "acme/t-1")
