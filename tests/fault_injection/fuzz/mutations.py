"""Damaged copies of good files: bytes, JSON, text, archives. Pure functions of a seed."""

import copy
import io
import json
import random
import re
import struct
import warnings
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

Random = random.Random
Mutation = Callable[[bytes, Sequence[bytes], Random], bytes]
NUMBERS = (0, 1, 2, 127, 128, 255, 256, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
NAMES = ("../evil.png", "/etc/evil.png", "C:\\evil", "a" * 300, "\x1b[2J", "train", "é\ud800", "")
WORDS = (
    *("0", "-1", "1e999", "nan", "9" * 400, "true", '""', "[]", "{}", "[[[[[[", '"\\ud800"'),
    *("null", '"x' + "y" * 2000 + '"', "1979-05-27", "'", "\x00", "🦆", "}" * 50, "[[" * 2000),
)
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 2**31, 2**63, -(2**70), 1e308, 0.5, "", "x", "../x", "\x1b[2J", "é"),
    *([], {}, [[[]]], {"class_name": "Lambda"}, {"class_name": 1}, "Dense" * 500, [0] * 500),
)


def of_bytes(content: bytes, seeds: Sequence[bytes], chance: Random) -> bytes:
    """Flip, overwrite, cut, repeat, move and splice bytes."""
    mutant = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        place = chance.randrange(len(mutant) + 1)
        end = min(len(mutant), place + chance.choice((1, 4, 16, 64, 512)))
        match chance.randrange(9):
            case 0 | 1 if place < len(mutant):
                mutant[place] ^= 1 << chance.randrange(8)
            case 2 if place < len(mutant):
                mutant[place] = chance.randrange(256)
            case 3:
                number = struct.pack("<I", chance.choice((*NUMBERS, len(mutant))))
                start = place // 4 * 4
                mutant[start : start + 4] = number
            case 4:
                del mutant[place:end]
            case 5:
                mutant[place:place] = mutant[place:end]
            case 6:
                mutant[place:end] = bytes(end - place)
            case 7:
                del mutant[place:]
            case 8:
                other = chance.choice(seeds)
                start = chance.randrange(len(other) + 1)
                mutant[place:] = other[start:]
    return bytes(mutant)


def of_text(content: bytes, seeds: Sequence[bytes], chance: Random) -> bytes:
    """Exchange words, values and lines of a text."""
    if chance.random() < 0.3:
        return of_bytes(content, seeds, chance)
    text = content.decode()
    for _ in range(chance.choice((1, 1, 2, 5))):
        match chance.randrange(4):
            case 0:  # a word or a number becomes another
                words = list(re.finditer(r'"[^"]*"|[\w.+-]+', text))
                if words:
                    word = chance.choice(words)
                    others = [match.group() for match in words]
                    new = chance.choice((*WORDS, *others))
                    text = text[: word.start()] + new + text[word.end() :]
            case kind:  # a line is removed, doubled or moved
                lines = text.splitlines(keepends=True)
                if lines:
                    line = lines.pop(chance.randrange(len(lines)))
                    for _ in range(kind - 1):
                        lines.insert(chance.randrange(len(lines) + 1), line)
                    text = "".join(lines)
    return text.encode("utf-8", "surrogatepass")


def of_json(content: bytes, seeds: Sequence[bytes], chance: Random) -> bytes:
    """Replace, remove and double values anywhere in a JSON text."""
    if chance.random() < 0.2:
        return of_text(content, seeds, chance)
    value = json.loads(content)
    for _ in range(chance.choice((1, 1, 2, 4))):
        holders = [each for each in _holders(value) if each]
        if not holders:
            break
        holder = chance.choice(holders)
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = chance.choice(keys)
        match chance.randrange(4):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, list):
                holder.append(holder[key])
            case 2:
                other = chance.choice(holders)
                holder[key] = json.loads(json.dumps(other))
            case _:
                holder[key] = copy.deepcopy(chance.choice(VALUES))
    return json.dumps(value).encode("utf-8", "surrogatepass")


def _holders(value: Any) -> list[Any]:
    found, waiting = [], [value]
    while waiting:
        current = waiting.pop()
        if isinstance(current, dict | list):
            found.append(current)
            waiting += current.values() if isinstance(current, dict) else current
    return found


def of_members(by_suffix: dict[str, Mutation]) -> Mutation:
    """Return a mutation of archives: of one member, written again with its checksum, or of bytes.

    ``by_suffix``: how members with such an ending are mutated; all others by bytes.
    """

    def mutate(content: bytes, seeds: Sequence[bytes], chance: Random) -> bytes:
        if chance.random() < 0.3:
            return of_bytes(content, seeds, chance)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        chosen = chance.choice(list(members))
        change = next((by_suffix[end] for end in by_suffix if chosen.endswith(end)), of_bytes)
        pairs = list(members.items())
        match chance.randrange(8):
            case 0:
                pairs = [pair for pair in pairs if pair[0] != chosen]
            case 1:
                pairs.append((chosen, members[chance.choice(list(members))]))
            case 2:
                pairs.append((chance.choice(NAMES), members[chosen]))
            case _:
                new = change(members[chosen], list(members.values()), chance)
                pairs = [(name, new if name == chosen else data) for name, data in pairs]
        packed = io.BytesIO()
        with warnings.catch_warnings(), zipfile.ZipFile(packed, "w") as archive:
            warnings.simplefilter("ignore")  # of names that occur twice
            for name, data in pairs:
                try:
                    archive.writestr(zipfile.ZipInfo(name), data)
                except (UnicodeEncodeError, IndexError):
                    archive.writestr("unnamed", data)
        return packed.getvalue()

    return mutate
