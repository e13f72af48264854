"""Turns off the matrix tiles of server processors (AMX) where artifacts run.

The reasons for this, and for a filter on system calls: decision 10 in docs/decisions/.
"""

import ctypes
import platform
import struct
from ctypes import CDLL, c_ushort, c_void_p

from edgecv.system.cpu import instructions

ARCH_PRCTL = 158
REQUEST_PERMISSION = 0x1023
"""ARCH_REQ_XCOMP_PERM: Linux grants tiles to a process that asks, once."""
SET_NO_NEW_PRIVILEGES, SET_SECCOMP, FILTER = 38, 22, 2
ALLOW, REFUSE_NOT_PERMITTED = 0x7FFF0000, 0x00050001
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER_OF_CALL, FIRST_ARGUMENT = 0, 16

INSTRUCTIONS = (
    (LOAD_WORD, 0, 0, NUMBER_OF_CALL),
    (JUMP_IF_EQUAL, 0, 3, ARCH_PRCTL),
    (LOAD_WORD, 0, 0, FIRST_ARGUMENT),
    (JUMP_IF_EQUAL, 0, 1, REQUEST_PERMISSION),
    (RETURN, 0, 0, REFUSE_NOT_PERMITTED),
    (RETURN, 0, 0, ALLOW),
)


class _Program(ctypes.Structure):
    _fields_ = (("length", c_ushort), ("instructions", c_void_p))


def machine_has_tiles() -> bool:
    """Return True if this machine's processor has AMX."""
    return platform.machine() == "x86_64" and "amx_tile" in instructions()


def leave_tiles_off() -> None:
    """Deny AMX to this process and its children permanently; libraries then work without it.

    Raises OSError where the kernel does not allow such a filter.
    """
    if not machine_has_tiles():
        return
    library = CDLL(None, use_errno=True)
    code = b"".join(struct.pack("HBBI", *each) for each in INSTRUCTIONS)
    content = ctypes.create_string_buffer(code)
    program = _Program(len(INSTRUCTIONS), ctypes.cast(content, c_void_p))
    if library.prctl(SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or library.prctl(
        SET_SECCOMP, FILTER, ctypes.byref(program), 0, 0
    ):
        raise OSError(ctypes.get_errno(), "the kernel refused a seccomp filter")
