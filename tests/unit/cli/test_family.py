"""Lines of runs that are watched together say whose they are."""

from rich.text import Text

from outlast.events import ChildStarted
from outlast_cli.family import Family

TOP, CHILD, BELOW = "planner.a", "scout.b", "guide.c"


def told(run_id: str, child: str, call_id: str) -> ChildStarted:
    agent = child.partition(".")[0]
    return ChildStarted(run_id=run_id, seq=1, call_id=call_id, child_run_id=child, agent=agent)


def test_labels() -> None:
    """The watched run's own lines are as they are; others are set in, with agent and call."""
    family = Family(TOP).after(told(TOP, CHILD, "1.0")).after(told(CHILD, BELOW, "2.1"))
    assert family.label(TOP, Text("Go!")).plain == "Go!"
    assert family.label(CHILD, Text("Much.\nAnd more.")).plain == (
        "  scout 1.0 · Much.\n  scout 1.0 · And more."
    )
    assert family.label(BELOW, Text("→ 1.0 look")).plain == "    guide 2.1 · → 1.0 look"


def test_who_was_there_before() -> None:
    """A run of which nobody was told since the watching began is named by its agent."""
    assert Family(TOP).label(CHILD, Text("Much.")).plain == "  scout · Much."
    assert Family().label(CHILD, Text("Much.")).plain == "Much."
