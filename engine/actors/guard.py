"""Handlers whose first exception is kept: Nautilus logs and swallows what a handler raises."""

import functools
from collections.abc import Callable
from typing import Any


def guarded[**P](handler: Callable[P, None]) -> Callable[P, None]:
    """Keep the first exception of a component's handler as its `failure`, and raise it on; whoever ran the node looks there."""

    @functools.wraps(handler)
    def kept(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            handler(*args, **kwargs)
        except (Exception, KeyboardInterrupt) as error:
            component: Any = args[0]
            component.failure = component.failure or error
            raise

    return kept
