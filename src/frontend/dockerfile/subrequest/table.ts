/** Text tables as Go's text/tabwriter aligns them. */

/**
 * Rows with each column as wide as its widest cell and `padding` spaces; the last cell of a row is not padded.
 * A column ends where a row has no further cell.
 */
export function table(rows: readonly (readonly string[])[], padding: number): string {
  const width = (column: number): number =>
    Math.max(
      ...rows.filter((row) => row.length > column + 1).map((row) => Array.from(row[column] ?? '').length),
    );
  return rows
    .map((row) => {
      const cells = row.map((cell, column) =>
        column === row.length - 1
          ? cell
          : cell + ' '.repeat(width(column) + padding - Array.from(cell).length),
      );
      return `${cells.join('')}\n`;
    })
    .join('');
}
