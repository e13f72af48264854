"""Classes and labels from the names in an image tree."""

from dataclasses import dataclass

from edgecv.core.errors import InputError
from edgecv.core.text import counted, listed, printable, were
from edgecv.datasets.image_tree.decoding import SUFFIXES
from edgecv.datasets.image_tree.folder_tree import LAYOUT, Listing


@dataclass(frozen=True)
class Layout:
    """Class names in alphabetical order, with the names and labels of the images of each split."""

    class_names: tuple[str, ...]
    train: tuple[tuple[str, int], ...]
    test: tuple[tuple[str, int], ...]
    notes: tuple[str, ...]


def read_layout(listing: Listing, where: str) -> Layout:
    """Sort the files into splits and classes. Raises InputError for another layout."""
    pictures = [name for name in listing.files if name.lower().endswith(SUFFIXES)]
    for name in pictures:
        if name.count("/") < 2:
            raise InputError(where, f"{printable(name)} is in no class folder", accepted=LAYOUT)
    if "test" not in listing.folders:
        raise InputError(
            where,
            "there is train/ but no test/",
            accepted=LAYOUT,
            remedy="move some images of each class to test/<class>/: "
            "what is reported must not be chosen by chance",
        )
    class_names = _class_names(listing, pictures, "test", where)
    has_train = "train" in listing.folders
    if has_train:
        _compare(_class_names(listing, pictures, "train", where), class_names, where)
    if len(class_names) < 2:
        raise InputError(
            where, f'there is one class: "{printable(class_names[0])}"', accepted="at least 2"
        )
    labels = {name: label for label, name in enumerate(class_names)}
    by_split: dict[str, list[tuple[str, int]]] = {"train": [], "test": []}
    for name in pictures:
        split, class_name, _ = name.split("/", 2)
        by_split[split].append((name, labels[class_name]))
    return Layout(
        tuple(printable(name) for name in class_names),
        tuple(by_split["train"]),
        tuple(by_split["test"]),
        _notes(listing, len(listing.files) - len(pictures)),
    )


def _class_names(listing: Listing, pictures: list[str], split: str, where: str) -> list[str]:
    filled = {name.split("/", 2)[1] for name in pictures if name.startswith(f"{split}/")}
    present = {
        parts[1]
        for folder in listing.folders
        if (parts := folder.split("/"))[0] == split and len(parts) > 1
    }
    if not present:
        raise InputError(where, f"{split}/ holds no class folder", accepted=LAYOUT)
    if empty := sorted(present - filled):
        raise InputError(
            where,
            f'"{split}/{printable(empty[0])}" holds no image',
            accepted=f"at least one {', '.join(SUFFIXES)} a class",
            remedy="add some, or remove the class",
        )
    return sorted(filled)


def _compare(train: list[str], test: list[str], where: str) -> None:
    for here, there, names in (
        ("train", "test", sorted(set(train) - set(test))),
        ("test", "train", sorted(set(test) - set(train))),
    ):
        if names:
            raise InputError(
                where,
                f"{counted(len(names), 'class folder')} of {here}/ {were(len(names))} not found "
                f"in {there}/: {listed(names, 5)}",
                accepted="the same class names in train/ and test/",
            )


def _notes(listing: Listing, strangers: int) -> tuple[str, ...]:
    notes = []
    if strangers:
        notes.append(
            f"{counted(strangers, 'file')} beside the images {were(strangers)} not read "
            f"(images end in {', '.join(SUFFIXES)})"
        )
    if listing.beside:
        notes.append(f"beside train/ and test/, not read: {listed(listing.beside, 5)}")
    return tuple(notes)
