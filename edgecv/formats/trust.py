"""The trust in a model file: standard layers, classes of the user's own, or anything at all.

It travels with the file, from the recipe to every place that loads it; nothing global is set.
"""

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from edgecv.core.errors import InputError
from edgecv.core.options import Options

FLAG = "--custom-objects"
FORM = "module:name, such as my_layers:Attention"
MEANS = "then whoever made the file can run any code as you"
WAY_OUT = f"give --trust-model if you trust its author: {MEANS}"


class Trust(Options):
    """The content that a model file may have beside standard layers."""

    everything: bool = False
    """True to load any content of the file and to run its code."""
    custom_objects: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """The user's own classes and functions, each as "module:name"."""

    def objects(self) -> dict[str, Any]:
        """Import the user's own classes and functions: name -> object.

        Raises InputError if a module or name does not exist, or is not callable.
        """
        if not self.custom_objects:
            return {}
        from edgecv.models.tf import load_tensorflow

        load_tensorflow()  # First: it decides which Keras the user's module gets.
        return {text.partition(":")[2]: import_object(text) for text in self.custom_objects}

    def code_sha256(self) -> str:
        """Return the hash of the files with the user's own code, "" without any; none is imported.

        Of a module that is its file, of a package all of its files of Python.
        """
        if not self.custom_objects:
            return ""
        modules = sorted({text.partition(".")[0].partition(":")[0] for text in self.custom_objects})
        digest = hashlib.sha256()
        for path in (path for module in modules for path in _files_of(module)):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()

    def names(self) -> frozenset[str]:
        """Return the names of the user's own classes and functions."""
        return frozenset(text.partition(":")[2] for text in self.custom_objects)

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Allow trusted classes in tf-keras for the duration of a load or a copy of a model."""
        objects = self.objects()
        if not objects and not self.everything:
            yield
            return
        from edgecv.models.tf import load_tensorflow

        _, keras = load_tensorflow()
        with keras.utils.custom_object_scope(objects), ExitStack() as stack:
            if self.everything:
                from tf_keras.src.saving.serialization_lib import SafeModeScope

                # A copy of a Lambda is made of its configuration, as a loaded one is.
                stack.enter_context(SafeModeScope(safe_mode=False))
            yield

    def notes(self) -> tuple[str, ...]:
        """Return the notes for the report."""
        notes = []
        if self.everything:
            notes.append(
                "--trust-model: the model file could run any code of its author, unchecked"
            )
        if self.custom_objects:
            notes.append(f"of the user's own code: {', '.join(self.custom_objects)}")
        return tuple(notes)


NO_TRUST = Trust()
"""Only standard layers."""


def check_custom_objects(texts: Sequence[str]) -> None:
    """Raise InputError if a text is not ``module:name``, or two have the same name."""
    names: dict[str, str] = {}
    for text in texts:
        module, _, name = text.partition(":")
        if not name.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
            raise InputError(FLAG, f'"{text}"', accepted=FORM)
        if name in names:
            found = f'"{names[name]}" and "{text}" bear one name'
            raise InputError(FLAG, found, remedy="give one of them another name")
        names[name] = text


def _search_here() -> None:
    """Search the working directory for modules too, where users have theirs."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)


def _files_of(module: str) -> list[Path]:
    """Return the files of a module or package of the first level; none where it is not found."""
    _search_here()
    importlib.invalidate_caches()
    try:
        found = importlib.util.find_spec(module)
    except (ImportError, ValueError):  # It is said where the module is imported.
        return []
    folders = [] if found is None else [*(found.submodule_search_locations or ())]
    if folders:
        return sorted(path for folder in folders for path in Path(folder).rglob("*.py"))
    origin = None if found is None or not found.has_location else found.origin
    return [] if origin is None else [Path(origin)]


def import_object(text: str, where: str = FLAG) -> Any:
    """Import ``module:name``, from the working directory too.

    Raises InputError if it cannot be imported, or is neither a class nor a function.
    """
    module_name, _, name = text.partition(":")
    _search_here()
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        needed = "" if error.name == module_name else f': it needs "{error.name}"'
        raise InputError(
            f"{where} {text}",
            f'there is no module "{module_name}" here{needed}',
            accepted=f"{FORM}; the working directory is searched",
            remedy="start edgecv where the module's file lies, or install it",
        ) from None
    except (Exception, SystemExit) as error:  # anything that the user's own code raises
        found = f"{module_name} cannot be imported: {type(error).__name__}: {error}"
        raise InputError(f"{where} {text}", found, remedy="repair the module") from error
    value = getattr(module, name, None)
    if value is None:
        known = sorted(each for each, found in vars(module).items() if callable(found))
        raise InputError(
            f"{where} {text}",
            f'{module_name} has no "{name}"',
            accepted=", ".join(each for each in known if not each.startswith("_"))[:300],
        )
    if not callable(value):
        raise InputError(
            f"{where} {text}", f"is a {type(value).__name__}", accepted="a class or a function"
        )
    _check_is_current(text, value, getattr(module, "__file__", None), where)
    return value


_IMPORTED: dict[str, tuple[Any, bytes]] = {}
"""Objects that were imported, each with the content of its file at that time."""


def _check_is_current(text: str, value: Any, file: str | None, where: str) -> None:
    """Raise InputError where the file of a module is another one than that which Python has read.

    A notebook keeps what it has imported: the old code would be stored as what the new one gives.
    """
    if file is None or not file.endswith(".py") or not Path(file).is_file():
        return
    content = Path(file).read_bytes()
    known, before = _IMPORTED.get(text, (None, b""))
    if known is value and before != content:
        module = text.partition(":")[0]
        raise InputError(
            f"{where} {text}",
            f"{Path(file).name} has changed since Python has read it",
            remedy=f"importlib.reload({module}), or start Python again",
        )
    _IMPORTED[text] = (value, content)
