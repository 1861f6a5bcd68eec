"""What runs tell their webhooks: of which events, and how much."""

import pytest

from fakes.orders import order
from fakes.records import NOON
from outlast.events import RunCompleted, RunStarted, RunWaiting
from outlast.names import RunRef, WebhookRef
from outlast.protocol import Approval, Awaited, Message, Origin, Run, Webhook, WebhookEventType
from outlast_worker.services.webhook_calls import news_of, summary_of

RUN = Run(run_id=f"support.{'a' * 26}", agent="support", status="completed")


def webhook(*events: WebhookEventType) -> Webhook:
    return Webhook(url="https://a.example", secret="main", events=list(events))


def waiting(segment: int) -> RunWaiting:
    approvals = [Awaited(run_id=RUN.run_id, id="1.0")]
    return RunWaiting(
        run_id=RUN.run_id,
        seq=segment,
        at=NOON,
        segment=segment,
        waiting_for="approval",
        approvals=approvals,
    )


ENDED = RunCompleted(run_id=RUN.run_id, seq=9, at=NOON, run=RUN)


def test_which_events() -> None:
    """Waits and ends, if some webhook wants them; the rest of a run is nobody's business."""
    both = order(webhooks=[webhook("run.ended"), webhook("run.waiting")])
    told = news_of(both, waiting(2), RUN)
    assert told
    assert (told.type, told.at) == ("run.waiting", NOON)
    assert told.data.approvals == [Awaited(run_id=RUN.run_id, id="1.0")]
    assert news_of(both, ENDED, RUN)
    assert news_of(both, ENDED, None)  # cancelled before it had begun
    assert news_of(both, RunStarted(run_id=RUN.run_id, seq=1, at=NOON), RUN) is None
    assert news_of(order(webhooks=[webhook("run.ended")]), waiting(1), RUN) is None
    assert news_of(order(webhooks=[webhook("run.waiting")]), ENDED, RUN) is None


def test_names() -> None:
    """An event has one name at a webhook, always the same, and another one at each other."""
    both = order(webhooks=[webhook("run.ended", "run.waiting")])
    ref = RunRef("acme", RUN.run_id)
    places = [WebhookRef(ref, 0), WebhookRef(ref, 1), WebhookRef(RunRef("other", RUN.run_id), 0)]
    news = [
        told for event in (waiting(1), waiting(2), ENDED) if (told := news_of(both, event, RUN))
    ]
    ids = [told.for_webhook(place).id for told in news for place in places]
    assert len(set(ids)) == len(ids) == 9
    assert ids == [told.for_webhook(place).id for told in news for place in places]
    assert not [each for each in ids if "." in each]  # the signature has it between dots


def test_what_goes_along() -> None:
    """As in lists: nothing that may be large, and nothing of what was asked for elsewhere."""
    message = Message(id="1", role="user", content="x", run_id=RUN.run_id, created_at=NOON)
    approval = Approval(call_id="1.0", name="pay", arguments={"secret": 1}, requested_at=NOON)
    run = RUN.model_copy(
        update={
            "messages": [message],
            "approvals": [approval],
            "origin": Origin(protocol="x"),
            "webhooks": [webhook("run.ended")],
            "metadata": {"ticket": "1"},
            "output": "done",
        }
    )
    assert summary_of(run) == RUN.model_copy(update={"metadata": {"ticket": "1"}, "output": "done"})


@pytest.mark.parametrize("output", ["x" * 20_000, {"text": "x" * 20_000}])
def test_a_long_output(output: object) -> None:
    """Its beginning goes along; the whole is at the run."""
    short = summary_of(RUN.model_copy(update={"output": output}))
    assert short.output is None
    assert len(short.output_preview or "") == 200
