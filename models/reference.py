"""The reference of a policy: what the bars were like that it learned and was validated on, kept for [actors.drift]."""

import numpy as np

from engine.contract.config import Config
from engine.risk.novelty import LEAST_WINDOWS, PARTS, Reference, fit
from models.context import Histories
from models.features import window
from models.tape import read_histories


def reference_of(config: Config, histories: Histories | None = None) -> Reference | None:
    """Fit a reference on the training span, validation included; None where it is too short for one.

    Parameters
    ----------
    histories
        Bars of the span, if they were read already.
    """
    length = window(config.training.recipe)
    found = read_histories(config, *config.training_span_ns) if histories is None else histories
    rows = [np.stack([one.open, one.high, one.low, one.close, one.volume], -1) for one, _ in found]
    if min(map(len, rows)) - length + 1 < PARTS * LEAST_WINDOWS:
        return None
    return fit(rows, length)
