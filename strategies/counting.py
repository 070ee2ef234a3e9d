"""A back test as a trial: its row in the ledger is there before it runs, and is completed once, however often it is cut short.

The row is opened when everything is assembled and nothing has run: a configuration that is refused is no trial. The row's id stands in
the manifest of the unfinished folder. A run that is killed or interrupted leaves the row open with the folder, and its resumption
completes the same row. A run whose folder is dropped, because it raised, fails its row. Baselines are references, not trials: nobody
chooses among them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.contract.config import Config
from engine.evaluation.ledger import TRIALS, Ledger, Trial
from engine.evaluation.samples import Floats
from engine.evaluation.trials import Trials, family_name
from engine.journal import run as folder_format


def ledger_beside(runs: Path) -> Ledger:
    """Return the ledger in the folder that holds the runs folder: `var/trials.sqlite` beside `var/runs`."""
    return Ledger(runs.parent / TRIALS.name)


class Counted:
    """The row of one back test.

    Parameters
    ----------
    ledger
        Where it is.
    config
        Of the run.
    span_ns
        Bars that are decided on: start, end excluded, UTC ns.
    folder
        Of the unfinished run; its manifest says who it is.

    Attributes
    ----------
    trial
        The row; None until `begin`.
    """

    def __init__(self, ledger: Ledger, config: Config, span_ns: tuple[int, int], folder: Path) -> None:
        self.ledger = ledger
        self.trial: Trial | None = None
        self.family = family_name(config.strategy_name, config.universe.instruments, config.universe.bar)
        self._seed, self._span_ns, self._folder = config.run.seed, span_ns, folder

    def begin(self, _assembly: object = None) -> None:
        """Open the row and note its id in the manifest, or go on with the open row of the run that was cut short.

        A row that was completed before the kill is not open: a new one with the same result counts once with it.
        """
        path = self._folder / folder_format.MANIFEST
        begun = folder_format.read_json(path)
        for row in self.ledger.rows(self.family):
            if (row.id, row.run_id, row.status) == (begun.get("trial"), begun["run_id"], "open"):
                self.trial = Trial(self.ledger, row.id)
                return
        number = self.ledger.begin(
            family=self.family,
            path="backtest",
            config_sha256=begun["config_sha256"],
            seed=self._seed,
            start_ns=self._span_ns[0],
            end_ns=self._span_ns[1],
            policy=begun["policy"],
            run_id=begun["run_id"],
        )
        self.trial = Trial(self.ledger, number)
        folder_format.write_json(path, {**begun, "trial": number})

    def finish(self, returns: Floats, bars_per_year: float) -> Trials:
        """Complete the row with simple returns per bar, float64 (T,), and return the trials of the family."""
        assert self.trial is not None
        self.trial.finish_returns(returns, bars_per_year)
        return self.ledger.trials(self.family, bars_per_year)

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Fail an unfinished row when its run raises; Ctrl-C that leaves a store to go on from leaves the row open too."""
        try:
            yield
        except BaseException as error:
            left = isinstance(error, KeyboardInterrupt) and (self._folder / folder_format.STORE).is_file()
            if self.trial is not None and not self.trial.finished and not left:
                self.ledger.fail(self.trial.id, f"{type(error).__name__}: {error}")
            raise
