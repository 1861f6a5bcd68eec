"""How runs were made, for who may look behind them."""

from outlast.errors import NotRecorded
from outlast.names import RunRef
from outlast.protocol import Order, Prompt, RunDefinition
from outlast_app.restate.ingress import Ingress
from outlast_app.runs.reader import RunReader


class RunInspection:
    """Reads what runs keep of how they were made. Every method may raise `UnknownRun`."""

    def __init__(self, ingress: Ingress, reader: RunReader) -> None:
        self._ingress = ingress
        self._reader = reader

    async def order(self, ref: RunRef) -> Order:
        """Return what a run was asked for.

        Raises:
            NotRecorded: No worker has taken it yet.
        """
        await self._reader.outcome(ref)
        order = await self._ingress.order(ref)
        if order is None:
            raise NotRecorded(f"No worker has taken the run {ref.run_id} yet. Ask again later.")
        return Order(**{name: getattr(order, name) for name in Order.model_fields})

    async def definition(self, ref: RunRef) -> RunDefinition:
        """Return what a run keeps of its agent.

        Raises:
            NotRecorded: It has not begun, or it could not be made.
        """
        await self._reader.outcome(ref)
        definition = await self._ingress.definition(ref)
        if definition is None:
            raise NotRecorded(
                f"The run {ref.run_id} keeps no definition: it has not begun, it ended before it "
                "had one, or a worker of an older version began it."
            )
        return definition

    async def prompt(self, ref: RunRef, turn: int) -> Prompt:
        """Return what a run's model was sent in a turn.

        Raises:
            NotRecorded: The run has not had this turn.
        """
        await self._reader.outcome(ref)
        prompt = await self._ingress.prompt(ref, turn)
        if prompt is None:
            raise NotRecorded(f"The run {ref.run_id} has not had a turn {turn}.")
        return prompt
