"""`python -m catalogs.sample`: generate the sample catalog, here or in the folder given."""

import sys
from pathlib import Path

from catalogs.sample import ROOT, generate
from engine.console import out

for dataset in generate(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT).datasets:
    out.print(f"{dataset.instrument_id} {dataset.bar} {dataset.rows:,} rows, sha256 {dataset.sha256}", markup=False)
