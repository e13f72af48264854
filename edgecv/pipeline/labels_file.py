"""The names of a model's outputs in a file beside it."""

from pathlib import Path

from edgecv.system.storage import MANIFEST, Store, copy_file, write_bytes

LABELS = "labels.txt"


def labels_text(class_names: tuple[str, ...]) -> bytes:
    """Return the content of ``labels.txt``: the name of each output, one a line."""
    return "".join(f"{name}\n" for name in class_names).encode()


def keep_names(store: Store, place: Path, class_names: tuple[str, ...]) -> None:
    """Give a stored model the names that its classes have now: its weights do not know them."""
    known, names = place / LABELS, labels_text(class_names)
    if known.exists() and known.read_bytes() == names:
        return
    with store.writing(place, replace=True) as folder:
        for path in place.iterdir():
            if path.name not in (MANIFEST, LABELS):
                copy_file(path, folder / path.name)
        write_bytes(folder / LABELS, names)
