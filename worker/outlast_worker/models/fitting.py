"""Leaves out of a call what its model would refuse: a setting that is missing does less harm.

An agent's own settings are checked against its model when it is imported. This is for what comes
together later: the setting MODEL, fallbacks, what a start asks for.
"""

import functools
from dataclasses import replace

from outlast.logging import get_logger
from outlast.model_support import unsupported
from outlast_worker.engine.operations import ModelCall

_logger = get_logger()


def fit(call: ModelCall) -> ModelCall:
    """Return the call with the settings that its model takes."""
    refused = unsupported(call.model, call.settings)
    for name, why in refused.items():
        warn_left_out(call.model, name, why)
    return replace(call, settings=call.settings.without(*refused)) if refused else call


@functools.lru_cache(maxsize=1024)
def warn_left_out(model: str, setting: str, why: str) -> None:
    """Log, once in a process, that a model is not told of a setting."""
    _logger.warning("model_setting_left_out", model=model, setting=setting, why=why)
