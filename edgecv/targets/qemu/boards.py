"""Boards of QEMU that the firmware starts on, with memories as QEMU 7.2 and later have them."""

from dataclasses import dataclass

MEGABYTE, VECTORS_BYTES = 2**20, 2**10
"""In front of the flash lie the vectors."""


@dataclass(frozen=True)
class Board:
    """One emulated board: its machine in QEMU, its processor for the compiler, its addresses."""

    machine: str
    flags: str
    """Options of the compiler for its processor."""
    vectors: str = "0x00000000"
    flash: str = "0x00000400"
    flash_bytes: int = 4 * MEGABYTE - VECTORS_BYTES
    ram: str = "0x20000000"
    ram_bytes: int = 4 * MEGABYTE
    uart: str = "0x40004000u"


BOARDS = {
    "cortex-m3": Board("mps2-an385", "-mcpu=cortex-m3"),
    "cortex-m4": Board("mps2-an386", "-mcpu=cortex-m4 -mfpu=fpv4-sp-d16 -mfloat-abi=hard"),
    "cortex-m7": Board("mps2-an500", "-mcpu=cortex-m7 -mfpu=fpv5-sp-d16 -mfloat-abi=hard"),
    "cortex-m33": Board(
        "mps2-an505",
        "-mcpu=cortex-m33 -mfpu=fpv5-sp-d16 -mfloat-abi=hard",
        # It starts in the secure state, whose addresses have bit 28.
        vectors="0x10000000",
        flash="0x10000400",
        ram="0x38000000",
        uart="0x50200000u",
    ),
    "cortex-m55": Board(
        "mps3-an547",
        "-mcpu=cortex-m55 -mfloat-abi=hard",
        # Its fast memories hold 512 KB each: code and data lie in DRAM.
        flash="0x60000000",
        flash_bytes=64 * MEGABYTE,
        ram="0x64000000",
        ram_bytes=64 * MEGABYTE,
        uart="0x59303000u",
    ),
}
