"""Tools are found by words of their names and descriptions."""

import json

import pytest

from outlast_worker.engine.records import PinnedTool
from outlast_worker.tools.tool_search import pin_search, rank, search

KINDS = ["invoice", "order", "parcel", "customer", "supplier", "contract"]
VERBS = {
    "list": "List all {}s, the newest first.",
    "find": "Look up one {} by its number.",
    "create": "Write down a new {}.",
    "archive": "Put a {} away that is not needed any more.",
    "export": "Write all {}s to a spreadsheet.",
}


def tool(name: str, description: str, server: str | None = None) -> PinnedTool:
    return PinnedTool(
        name=name, description=description, parameters={}, deferred=True, server=server
    )


TOOLS = [
    *(tool(f"{verb}_{kind}s", text.format(kind)) for kind in KINDS for verb, text in VERBS.items()),
    tool("sendMail", "Write to a customer.\n\nLonger words about attachments."),
    tool("höhe_messen", "Miss die Höhe eines Regals."),
]


def names(query: str) -> list[str]:
    return [tool.name for tool in rank(query, TOOLS)]


@pytest.mark.parametrize(
    ("query", "best"),
    [
        ("find an invoice", "find_invoices"),
        ("export parcels to a spreadsheet", "export_parcels"),
        ("archive_contracts", "archive_contracts"),
        ("new supplier", "create_suppliers"),
        ("send a mail", "sendMail"),
        ("Höhe", "höhe_messen"),
        ("attachments", "sendMail"),
    ],
)
def test_the_best_one_comes_first(query: str, best: str) -> None:
    """Rare words count more than common ones, those of a name more than those of a description."""
    assert names(query)[0] == best


def test_few_are_found() -> None:
    """At most five, and none that shares only what all share."""
    assert len(names("order")) == 5
    assert all("order" in name for name in names("order"))
    assert names("export the spreadsheet of a mail")[0] in ("sendMail", "export_orders")


@pytest.mark.parametrize("query", ["", "?!", "weather in Rome"])
def test_nothing_found(query: str) -> None:
    """The model is told what it can try instead."""
    result = json.loads(search(query, TOOLS))
    assert result["tools"] == []
    assert "other words" in result["note"]


def test_equal_ones_keep_their_order() -> None:
    """The same query finds the same, in the same order."""
    same = [tool(f"tool_{letter}", "Do it.") for letter in "abc"]
    assert rank("do it", same) == same


def test_only_deferred_ones_are_searched() -> None:
    """What the model is told of anyway is not found."""
    shown = PinnedTool(name="find_invoices_now", description="Find invoices.", parameters={})
    found = json.loads(search("find invoices", [shown, *TOOLS]))["tools"]
    assert found[0] == {
        "name": "find_invoices",
        "description": "Look up one invoice by its number.",
    }
    assert "find_invoices_now" not in str(found)


def test_descriptions_are_short() -> None:
    """A result has as much of a description as tells tools apart; the whole comes with the tool."""
    long = tool("mail", f"{'words ' * 100}\nmore")
    [found] = json.loads(search("mail", [long]))["tools"]
    assert len(found["description"]) == 201
    [found] = json.loads(search("attachments", TOOLS))["tools"]
    assert found["description"] == "Write to a customer."


def test_what_the_model_is_told() -> None:
    """How many there are, and of which servers."""
    told = pin_search(
        [*TOOLS, tool("pay", "Pay.", server="crm"), tool("send", "Send.", server="crm")]
    )
    assert f"{len(TOOLS) + 2} are not shown here, some of them of crm." in told.description
