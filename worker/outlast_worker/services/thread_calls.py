"""What a thread, and who watches over it, is told; records, since Restate keeps them."""

from pydantic import Field

from outlast.protocol import Time
from outlast_worker.engine.records import Record, StandIn, StoredMessage
from outlast_worker.services.thread_state import ThreadRun


class Join(ThreadRun):
    """A delayed run that joins the line."""

    at: Time


class Release(Record):
    """A run holds the thread no longer, or leaves the line, with what it adds to it.

    `awakeable`: by which the run, if it waits for that, hears that it is done. `stand_in`: what
    later runs are to read in place of the first messages, of the conversation with the digest
    `follows`, which the run has read, and of the items. `tokens`: how long that is for models.
    """

    run_id: str
    items: list[StoredMessage]
    at: Time | None = None
    awakeable: str | None = None
    stand_in: StandIn | None = None
    follows: str | None = None
    tokens: int | None = None


class HoldUp(Record):
    """The holder waits for a person, or no longer."""

    run_id: str
    waits: bool


class WholeThread(Record):
    """All messages of a thread, and what stands for the first of them where runs read them."""

    messages: list[StoredMessage]
    stand_ins: list[StandIn] = Field(default_factory=list[StandIn])


class Delivery(Record):
    """A one-way call of a handler whose service is missing."""

    service: str
    key: str
    handler: str
    body: str


class ExpiryCheck(Record):
    """Look whether a thread is to be forgotten."""

    due: Time


class Watch(Record):
    """Wait for a holder to end."""

    thread_key: str
    holder: ThreadRun
