"""A check: one thing that must be so, and what was found."""

import msgspec


class Check(msgspec.Struct, frozen=True):
    """One thing that must be so, and what was found."""

    name: str
    ok: bool
    detail: str
