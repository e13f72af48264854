"""``python -m tests.fault_injection.fuzz``: mutants of every kind of file, and killed runs.

    python -m tests.fault_injection.fuzz tflite --mutants 1000 --seed 0
    python -m tests.fault_injection.fuzz all --mutants 1000
    python -m tests.fault_injection.fuzz kill --times 100

It prints a table and ends with 1 where something was found.
"""

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path

from .campaign import fuzz, table
from .kills import Killer
from .kinds import KINDS


def main() -> int:
    """Run the campaign that the arguments name."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault_injection.fuzz")
    parser.add_argument("kind", choices=[*KINDS, "all", "kill"])
    parser.add_argument("--mutants", type=int, default=1000, help="of each kind")
    parser.add_argument("--times", type=int, default=100, help="kills")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for mutants that found something")
    given = parser.parse_args()
    say = partial(print, file=sys.stderr, flush=True)
    if given.kind == "kill":
        with tempfile.TemporaryDirectory(prefix="edgecv-kill-") as folder:
            tally = Killer(Path(folder), given.seed, say=say).kill(given.times)
        print(tally.table())
        return 1 if tally.problems else 0
    kept = given.keep or Path(tempfile.gettempdir()) / "edgecv-fuzz-findings"
    kinds = KINDS if given.kind == "all" else [given.kind]
    results = [fuzz(kind, given.mutants, given.seed, kept, say=say) for kind in kinds]
    print(table(results))
    return 1 if any(result.findings for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
