"""Makes an agent's instructions for one run: filled in, or by the author's function."""

from datetime import timedelta

from outlast.agent import Agent
from outlast.instructions import fill_in
from outlast.logging import get_logger
from outlast.protocol import RunError
from outlast.run_context import RunContext
from outlast_worker.tools.author_code import TookTooLong, call_in_time, kind_of

INSTRUCTIONS_TIMEOUT = timedelta(seconds=30)
_logger = get_logger()


class NoInstructions(Exception):
    """There are none for this run."""

    def __init__(self, error: RunError) -> None:
        super().__init__(error.message)
        self.error = error


async def make_instructions(agent: Agent, context: RunContext) -> str:
    """Return the agent's instructions for this run.

    Raises:
        NoInstructions: The run's context lacks a name, or the author's function fails.
    """
    given = agent.instructions
    if not callable(given):
        try:
            return fill_in(str(given), context.context)
        except KeyError as error:
            raise _none(
                f"The instructions of {agent.name} need {{{{{error.args[0]}}}}}, and the run's "
                "context has none. Pass it as context, or deploy app and worker with the same "
                "agents."
            ) from error
    failed = f"The function that makes the instructions of {agent.name} failed"
    try:
        made = await call_in_time(
            given, context, timeout=INSTRUCTIONS_TIMEOUT, name=f"instructions of {agent.name}"
        )
    except TookTooLong as error:
        raise _none(f"{failed}: {error}.") from error
    except Exception as error:
        _logger.exception("instructions_failed", agent=agent.name)
        raise _none(f"{failed}: {kind_of(error)}. The worker's log says more.") from error
    if not isinstance(made, str) or not made.strip():
        kind = "an empty text" if isinstance(made, str) else f"a {type(made).__name__}"
        raise _none(f"{failed}: it returned {kind}; it must return a text.")
    return made


def _none(message: str) -> NoInstructions:
    return NoInstructions(RunError(type="definition-missing", message=message, retryable=False))
