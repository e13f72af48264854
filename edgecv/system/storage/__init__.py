"""The output folder on disk: keys, atomic writes, locks, manifests, resuming."""

from edgecv.core.files import file_sha256
from edgecv.system.storage.atomic_files import (
    check_space,
    copy_file,
    on_disk,
    refusal,
    write_bytes,
    write_json,
)
from edgecv.system.storage.hashing import bytes_of, content_key, describe, files_of, tree_sha256
from edgecv.system.storage.manifest import MANIFEST, check_outside_runs, check_seal, is_of_run, seal
from edgecv.system.storage.packing import pack
from edgecv.system.storage.run_store import RESERVED_NAMES, SPACE_BYTES, Store

__all__ = [
    "MANIFEST",
    "RESERVED_NAMES",
    "SPACE_BYTES",
    "Store",
    "bytes_of",
    "check_outside_runs",
    "check_seal",
    "check_space",
    "content_key",
    "copy_file",
    "describe",
    "file_sha256",
    "files_of",
    "is_of_run",
    "on_disk",
    "pack",
    "refusal",
    "seal",
    "tree_sha256",
    "write_bytes",
    "write_json",
]
