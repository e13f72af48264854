"""``exported/`` on disk: keys, atomic writes, locks, manifests, resume."""

from edgecv.store.facts import bytes_of, content_key, describe, file_sha256, tree_sha256
from edgecv.store.files import check_space, copy_file, on_disk, refusal, write_bytes, write_json
from edgecv.store.folders import RESERVED_NAMES, SPACE_BYTES, Store
from edgecv.store.sealing import check_seal, seal

__all__ = [
    "RESERVED_NAMES",
    "SPACE_BYTES",
    "Store",
    "bytes_of",
    "check_seal",
    "check_space",
    "content_key",
    "copy_file",
    "describe",
    "file_sha256",
    "on_disk",
    "refusal",
    "seal",
    "tree_sha256",
    "write_bytes",
    "write_json",
]
