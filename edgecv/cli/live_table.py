"""A progress bar below a table whose rows are kept up to date, as far as the terminal is high."""

from collections.abc import Iterable, Mapping

from rich.console import RenderableType
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from edgecv.core.text import printable

LINES_BELOW = 8
"""Lines of the terminal that are left to the bar, the headings and a long recipe."""


class TableProgress(Progress):
    """Shows rows above the bars: those that changed last, where there are too many."""

    rows: Mapping[str, Mapping[str, str]] = {}

    def show(self, row: Mapping[str, str]) -> None:
        """Show a row, in place of the one with the same first value."""
        key = next(iter(row.values()))
        kept = {name: each for name, each in self.rows.items() if name != key}
        self.rows = {**kept, key: row}
        self.refresh()

    def get_renderables(self) -> Iterable[RenderableType]:
        """Yield the table and the bars."""
        if self.rows:
            yield self._table()
        yield from super().get_renderables()

    def _table(self) -> Table:
        most = max(1, self.console.height - LINES_BELOW)
        shown = [*self.rows.values()][-most:]
        table = Table(box=None, pad_edge=False)
        for heading in shown[-1]:
            table.add_column(heading, overflow="fold")
        for row in shown:
            table.add_row(*(Text(printable(each)) for each in row.values()))
        return table
