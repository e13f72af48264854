"""A small good model with its files, to plant faults in."""

from pathlib import Path

import pytest
from good_files import Good, make_good


@pytest.fixture(scope="session")
def good(output: Path, tmp_path_factory: pytest.TempPathFactory) -> Good:
    """Return the CIFAR CNN after three epochs on digits."""
    from edgecv.datasets.resolve import resolve
    from edgecv.formats.keras.importer import load

    (baseline,) = (output / "baselines").glob("*/model.keras")
    data = resolve("digits").load((32, 32, 3), 0, lambda done, total: None)
    return make_good(load(baseline), data, "digits", tmp_path_factory.mktemp("good"), baseline)
