import { expect, it } from "vitest";
import { csvOf, ndjsonOf, sheetTime } from "./table-file.ts";

const columns = [
  { name: "name", of: (r: { name: string; n: number | null }) => r.name },
  { name: "n", of: (r: { name: string; n: number | null }) => r.n },
];

it("writes CSV that a spreadsheet reads back, and computes nothing of it", () => {
  const rows = [
    { name: 'a "b", c\nd', n: -3 },
    { name: "=1+1", n: null },
    { name: "@SUM(A1)", n: 0 },
  ];
  expect(csvOf(rows, columns)).toBe('name,n\r\n"a ""b"", c\nd",-3\r\n\'=1+1,\r\n\'@SUM(A1),0\r\n');
  expect(csvOf([], columns)).toBe("name,n\r\n");
});

it("writes one object a line", () => {
  expect(ndjsonOf([{ a: "x\ny" }, { a: 1 }])).toBe('{"a":"x\\ny"}\n{"a":1}\n');
});

it("writes times in the zone that was chosen", () => {
  const at = Date.UTC(2026, 2, 11, 23, 24, 5);
  expect(sheetTime(at, "UTC")).toBe("2026-03-11 23:24:05");
  expect(sheetTime(at, "Asia/Kolkata")).toBe("2026-03-12 04:54:05");
  expect(sheetTime(null, "UTC")).toBe("");
});
