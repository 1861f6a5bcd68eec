"""Webhooks of a run: how far they have been told, and telling them again."""

from typing import Annotated

import typer

from outlast.protocol import Deliveries, Delivery
from outlast_cli import options, tables
from outlast_cli.client import Client
from outlast_cli.output import show


def webhooks(ctx: typer.Context, run_id: options.RunId, as_json: options.Json = False) -> None:
    """List how far a run's webhooks have been told of it."""
    found = options.client_of(ctx).get(Deliveries, "runs", run_id, "webhooks")
    show(found, tables.Listing(found.items, tables.DELIVERIES), as_json=as_json)


def redeliver(
    ctx: typer.Context,
    run_id: options.RunId,
    delivery_id: Annotated[
        str | None,
        typer.Argument(metavar="[DELIVERY]", help="One of `outlast webhooks`; all given up, else."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Tell a run's webhooks again."""
    client = options.client_of(ctx)
    told = Deliveries(
        items=[_again(client, run_id, each) for each in _ids(client, run_id, delivery_id)]
    )
    said = f"{len(told.items)} to be delivered again." if told.items else "None was given up."
    show(told, said, as_json=as_json)


def _ids(client: Client, run_id: str, delivery_id: str | None) -> list[str]:
    if delivery_id:
        return [delivery_id]
    found = client.get(Deliveries, "runs", run_id, "webhooks").items
    return [delivery.id for delivery in found if delivery.status == "given_up"]


def _again(client: Client, run_id: str, delivery_id: str) -> Delivery:
    return client.post(Delivery, "runs", run_id, "webhooks", delivery_id, "redeliver")
