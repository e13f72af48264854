"""An archive of Keras with another configuration, as someone hostile would make it."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def edited_archive(path: Path, edit: Callable[[dict[str, Any]], None], target: Path) -> Path:
    """Copy an archive to ``target`` with its configuration edited; return that path."""
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as copy:
        for name in source.namelist():
            data = source.read(name)
            if name == "config.json":
                config = json.loads(data)
                edit(config)
                data = json.dumps(config).encode()
            copy.writestr(name, data)
    return target
