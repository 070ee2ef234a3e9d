"""What the service puts up with: sizes, times, and how many may wait."""

import msgspec


class ServiceTerms(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of the service.

    Attributes
    ----------
    most_rows
        Rows of a request, and of a call that requests share.
    most_bytes
        Size of a body.
    waiting
        Requests per policy that may wait; more are refused with 503.
    body_secs, answer_secs
        How long a body may take to come, and an answer to be found.
    """

    most_rows: int = 64
    most_bytes: int = 4 * 1024 * 1024
    waiting: int = 256
    body_secs: float = 10.0
    answer_secs: float = 10.0
