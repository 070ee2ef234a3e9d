"""The error tree, and the exit code that each branch ends a command with.

Messages follow one form: `<thing> must <rule>, was <value> (<where>); <remedy>`. What the market causes (a refused order, a masked
action) is a value, not an error.

HuracanError                 exit code
├── UsageError               2   the command line is wrong
│   └── ConfigError          2   the configuration file is wrong
├── DataError                2   an input file or a catalog is not what it must be
├── PolicyError              2   a policy folder is incomplete, altered, or of another contract
├── CheckFailed              3   a check ran and failed
└── EnvironmentFault         4   the machine lacks something: a package, a permission, a service
"""


class HuracanError(Exception):
    """Base of every error that a command reports in one line."""

    exit_code = 2


class UsageError(HuracanError):
    """The command line names something that does not exist or does not fit."""


class ConfigError(UsageError):
    """The configuration breaks a rule; the message names the key, the rule, the value and the remedy."""


class DataError(HuracanError):
    """An input file or a catalog is missing, unreadable, or breaks a rule of its format."""


class PolicyError(HuracanError):
    """A policy folder is incomplete, altered, or made for another contract."""


class CheckFailed(HuracanError):
    """A verification ran to its end and found a difference."""

    exit_code = 3


class EnvironmentFault(HuracanError):
    """The machine lacks something that the command needs."""

    exit_code = 4


def broken(thing: str, rule: str, value: object, where: str = "", remedy: str = "") -> str:
    """Compose an error message: `<thing> must <rule>, was <value> (<where>); <remedy>`.

    >>> broken("start", "be before end", "2022-01-01", "[data]", "swap the two dates")
    'start must be before end, was 2022-01-01 ([data]); swap the two dates'
    """
    message = f"{thing} must {rule}, was {value}"
    if where:
        message += f" ({where})"
    if remedy:
        message += f"; {remedy}"
    return message
