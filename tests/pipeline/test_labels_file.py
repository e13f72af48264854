"""The names of the classes beside a stored model."""

from pathlib import Path

import pytest

from edgecv.pipeline.labels_file import LABELS, keep_names
from edgecv.system.storage import Store, check_seal

pytestmark = pytest.mark.quick


def test_a_stored_model_has_the_names_that_its_classes_have_now(tmp_path: Path) -> None:
    """Of renamed classes the same images gave the stored model with the old names beside it."""
    store = Store(tmp_path)

    def make(folder: Path) -> None:
        (folder / "model.keras").write_bytes(b"a model")
        (folder / LABELS).write_text("0\n1\n")

    place = store.stage("baselines", "own", make)
    before = (place / "model.keras").stat().st_ino
    keep_names(store, place, ("0", "1"))
    assert (place / "model.keras").stat().st_ino == before
    keep_names(store, place, ("cat", "dog"))
    assert (place / LABELS).read_text() == "cat\ndog\n"
    assert (place / "model.keras").read_bytes() == b"a model"
    check_seal(place)
