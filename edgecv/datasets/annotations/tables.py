"""Tables in CSV files, with commas, semicolons or tabs."""

import csv
import io
import math
from dataclasses import dataclass

from edgecv.core.errors import InputError
from edgecv.core.text import printable

MOST_ROWS = 2_000_000
MOST_COLUMNS = 2_000
ACCEPTED = (
    "a first row of names of columns; a column of image files; columns of numbers, one of text "
    "(class), of 0 and 1 (classes), of NAME_x and NAME_y (keypoints), or xmin, ymin, xmax, ymax"
)


class WrongValue(Exception):
    """A value of a row that cannot be used; the message is the reason."""


@dataclass(frozen=True)
class Table:
    """The rows of a CSV file, and the files that they are of."""

    name: str
    columns: list[str]
    """In small letters, without spaces around them."""
    rows: list[list[str]]
    decimal: str
    """The sign in numbers before their fraction."""

    def is_numeric(self, place: int) -> bool:
        """Return True if most values of a column are numbers: another one is a mistake then."""
        given = [row for row in self.rows if row[place].strip()]
        right = 0
        for row in given:
            try:
                self.number(row, place)
                right += 1
            except WrongValue:
                continue
        return not given or right > len(given) / 2

    def number(self, row: list[str], place: int) -> float:
        """Return a number. Raises WrongValue where it is missing or none."""
        text = row[place].strip()
        try:
            value = float(text.replace(self.decimal, ".") if self.decimal != "." else text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            shown = f'is "{printable(text[:40])}"' if text else "is empty"
            raise WrongValue(f"its {self.columns[place]} {shown}")
        return value


def read_table(content: bytes, name: str, where: str) -> Table:
    """Parse a CSV file with commas, semicolons or tabs. Raises InputError."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    rows = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            if any(each.strip() for each in row):
                rows.append(row)
            if len(rows) > MOST_ROWS or len(row) > MOST_COLUMNS:
                raise InputError(
                    where,
                    f"{printable(name)} is too large",
                    accepted=f"{MOST_ROWS:,} rows, {MOST_COLUMNS:,} columns",
                )
    except csv.Error as error:
        raise InputError(where, f"{printable(name)} is no CSV file: {error}") from None
    if len(rows) < 2 or len(rows[0]) < 2:
        raise InputError(where, f"{printable(name)} holds no table", accepted=ACCEPTED)
    columns = [each.strip().lower() for each in rows[0]]
    wrong = next((each for each in rows[1:] if len(each) != len(columns)), None)
    if wrong is not None:
        raise InputError(
            where,
            f"{printable(name)}, row {rows.index(wrong) + 1} has {len(wrong)} columns, the first "
            f"row has {len(columns)}",
            accepted=ACCEPTED,
        )
    return Table(name, columns, rows[1:], "," if delimiter == ";" else ".")
