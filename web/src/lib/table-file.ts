/** A column of a table that is taken along as a file. */
export interface Column<Row> {
  name: string;
  of: (row: Row) => string | number | null | undefined;
}

/** Rows as CSV, as RFC 4180 has it. Text that a spreadsheet would compute is kept from that. */
export function csvOf<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const line = (cells: (string | number | null | undefined)[]) => `${cells.map(cell).join(",")}\r\n`;
  return line(columns.map((c) => c.name)) + rows.map((row) => line(columns.map((c) => c.of(row)))).join("");
}

function cell(value: string | number | null | undefined): string {
  if (typeof value === "number") return String(value);
  const text = value ?? "";
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Rows as they came, one JSON object a line. */
export const ndjsonOf = (rows: readonly unknown[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

/** An instant as spreadsheets read it, in a zone: 2026-03-11 10:24:00. */
export function sheetTime(ms: number | null, zone: string): string {
  if (ms === null) return "";
  const where = zone === "local" ? {} : { timeZone: zone };
  // Swedish writes dates as ISO does.
  return new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium", ...where }).format(ms);
}
