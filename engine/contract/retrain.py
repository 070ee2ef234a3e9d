"""[retrain]: how the newest data become a candidate, and what it must show."""

from typing import Annotated

import msgspec

from engine.contract.section import Count, Section, Share


class Retrain(Section, frozen=True):
    """[retrain]: the gates of `huracan retrain`.

    Attributes
    ----------
    bars
        Newest bars that are learned and validated on; None: `walkforward.train_bars`.
    walk
        Whether the same settings are walked forward before; None of the gates on its figures counts without.
    min_sharpe
        Annual, of the walk; None: any.
    min_psr
        Probability that the walk's Sharpe ratio is above zero; None: any.
    max_degenerate_frac
        Largest part of the walk's chosen policies that may have collapsed.
    expires_days
        A candidate expires so many days after it was made; None: never.
    """

    bars: Count | None = None
    walk: bool = True
    min_sharpe: float | None = 0.0
    min_psr: Annotated[float, msgspec.Meta(ge=0, lt=1)] | None = None
    max_degenerate_frac: Share = 0.25
    expires_days: Count | None = 90
