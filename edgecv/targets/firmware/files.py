"""The files of the firmware: its sources, and what it says of the model."""

from importlib.resources import files

from edgecv.core.plugins import DeployedFile
from edgecv.targets.answers import output_bytes

FOLDER = "firmware"
SOURCES = ("edgecv_firmware.c", "edgecv_firmware.h", "main.c")
IDENTITY = """/* The model that the firmware runs. */
#define EDGECV_MODEL_SHA256 "{sha256}"
#define EDGECV_ALL_OUTPUT_BYTES {sizes}
"""


def firmware_files(file: DeployedFile) -> dict[str, str]:
    """Return the files by their names, to stand in a folder of the C project."""
    folder = files(__package__) / "sources"
    sizes = ", ".join(map(str, output_bytes(file)))
    return {
        **{f"{FOLDER}/{name}": (folder / name).read_text() for name in SOURCES},
        f"{FOLDER}/edgecv_identity.h": IDENTITY.format(sha256=file.artifact.sha256, sizes=sizes),
    }
