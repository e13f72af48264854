"""Classes and labels from the names in an image tree."""

from collections.abc import Iterable
from dataclasses import dataclass

from edgecv.core.errors import InputError
from edgecv.core.text import counted, listed, printable, were
from edgecv.datasets.image_tree.decoding import SUFFIXES
from edgecv.datasets.image_tree.folder_tree import LAYOUT, VALIDATION, Listing


@dataclass(frozen=True)
class Layout:
    """Class names in alphabetical order, with the names and labels of the images of each split."""

    class_names: tuple[str, ...]
    train: tuple[tuple[str, int], ...]
    validation: tuple[tuple[str, int], ...]
    test: tuple[tuple[str, int], ...]
    notes: tuple[str, ...]


def read_layout(listing: Listing, where: str) -> Layout:
    """Sort the files into splits and classes. Raises InputError for another layout."""
    pictures = [name for name in listing.files if name.lower().endswith(SUFFIXES)]
    for name in pictures:
        if name.count("/") < 2:
            raise InputError(where, f"{printable(name)} is in no class folder", accepted=LAYOUT)
    there = {name for name in listing.folders if "/" not in name}
    chosen = sorted(there & set(VALIDATION))
    if len(chosen) > 1:
        raise InputError(where, f"both {chosen[0]}/ and {chosen[1]}/ are there", accepted=LAYOUT)
    validation = chosen[0] if chosen else ""
    test = "test" if "test" in there else validation
    if not test:
        raise InputError(
            where,
            "there is train/ but no test/",
            accepted=LAYOUT,
            remedy="move some images of each class to test/<class>/: "
            "what is reported must not be chosen by chance",
        )
    class_names = _class_names(listing, pictures, test, where)
    for split in sorted(there & {"train", validation} - {test}):
        _compare(split, _class_names(listing, pictures, split, where), test, class_names, where)
    if len(class_names) < 2:
        raise InputError(
            where, f'there is one class: "{printable(class_names[0])}"', accepted="at least 2"
        )
    labels = {name: label for label, name in enumerate(class_names)}
    by_split: dict[str, list[tuple[str, int]]] = {"train": [], validation: [], test: []}
    for name in pictures:
        split, class_name, _ = name.split("/", 2)
        by_split[split].append((name, labels[class_name]))
    return Layout(
        tuple(printable(name) for name in class_names),
        tuple(by_split["train"]),
        tuple(by_split[validation]) if validation not in ("", test) else (),
        tuple(by_split[test]),
        _notes(listing, validation, test),
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
    check_filled({f"{split}/{name}" for name in present - filled}, where)
    return sorted(filled)


def check_filled(empty: Iterable[str], where: str) -> None:
    """Raise InputError for folders of classes without images: the first of them is named."""
    for name in sorted(empty):
        raise InputError(
            where,
            f'"{printable(name)}" holds no image',
            accepted=f"at least one {', '.join(SUFFIXES)} a class",
            remedy="add some, or remove the class",
        )


def _compare(first: str, its: list[str], second: str, others: list[str], where: str) -> None:
    """Raise InputError where two splits have other classes."""
    for here, there, names in (
        (first, second, sorted(set(its) - set(others))),
        (second, first, sorted(set(others) - set(its))),
    ):
        if names:
            raise InputError(
                where,
                f"{counted(len(names), 'class folder')} of {here}/ {were(len(names))} not found "
                f"in {there}/: {listed(names, 5)}",
                accepted=f"the same class names in {first}/ and {second}/",
            )


def notes_on_others(files: Iterable[str]) -> list[str]:
    """Return a note that names the files that are no images, by their endings."""
    others = [name for name in files if not name.lower().endswith(SUFFIXES)]
    if not others:
        return []
    return [
        f"{counted(len(others), 'file')} beside the images {were(len(others))} not read: "
        f"{listed(others, 5)} (images end in {', '.join(SUFFIXES)})"
    ]


def _notes(listing: Listing, validation: str, test: str) -> tuple[str, ...]:
    notes = notes_on_others(listing.files)
    if validation == test:
        notes.append(f"{validation}/ was taken for the test split: there is no test/")
    elif validation:
        notes.append(f"{validation}/ was taken for the validation split")
    if listing.beside:
        notes.append(f"beside train/ and test/, not read: {listed(listing.beside, 5)}")
    return tuple(notes)
