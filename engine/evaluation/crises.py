"""Crisis windows of the crypto market: spans that a strategy and its breaker are looked at in, beside the rest of history.

A window begins some days before the fall that it is named for, and ends some days after it, so that both the entry into the crisis and
what an exit from it missed lie inside. The windows were chosen by what is known of the falls, long after them: they are no sample of
anything, and four of them prove little.

References
----------
2020-03: World Health Organization, Director-General's remarks at the media briefing on COVID-19, 11 March 2020 (the pandemic is declared);
the fall is that of 12 and 13 March. 2021-05: Financial Stability and Development Committee of the State Council of China, 51st meeting,
21 May 2021 (bitcoin mining and trading are to be cracked down on); the fall is that of 19 May. 2022-06: In re Celsius Network LLC, Bankr.
S.D.N.Y., No. 22-10964 (withdrawals were stopped on 12 June 2022). 2022-11: In re FTX Trading Ltd., Bankr. D. Del., No. 22-11068 (petition
of 11 November 2022).
"""

import datetime as dt
from typing import NamedTuple

from engine.contract.calendar import to_ns


class Crisis(NamedTuple):
    """One window.

    Attributes
    ----------
    name
        Month of the fall, and what it is remembered by.
    start, end
        UTC dates; start inclusive, end exclusive.
    """

    name: str
    start: dt.date
    end: dt.date

    @property
    def span_ns(self) -> tuple[int, int]:
        """Start (inclusive) and end (exclusive), UTC ns."""
        return to_ns(self.start), to_ns(self.end)


CRISES = (
    Crisis("2020-03 pandemic", dt.date(2020, 3, 8), dt.date(2020, 3, 21)),
    Crisis("2021-05 China", dt.date(2021, 5, 10), dt.date(2021, 5, 31)),
    Crisis("2022-06 Celsius", dt.date(2022, 6, 5), dt.date(2022, 6, 26)),
    Crisis("2022-11 FTX", dt.date(2022, 11, 1), dt.date(2022, 11, 21)),
)


def inside(start_ns: int, end_ns: int) -> list[Crisis]:
    """Return the windows that lie wholly inside a span, start inclusive, end exclusive, UTC ns."""
    return [one for one in CRISES if start_ns <= one.span_ns[0] and one.span_ns[1] <= end_ns]
