import { expect, test } from "vitest";
import { anchorOf, between, parsePicked, writePicked } from "./picked.ts";

test("what is picked stands in an address and is read back", () => {
  for (const picked of [{ from: 40, to: 52 }, { from: 7, to: 7 }, null]) {
    expect(parsePicked(writePicked(picked))).toEqual(picked);
  }
});

test("an address that was written by hand is read as far as it says something", () => {
  expect(parsePicked("52-40")).toEqual({ from: 40, to: 52 });
  for (const odd of ["", "-", "4-", "x", "1-2-3", "-4", undefined, null]) expect(parsePicked(odd)).toBeNull();
});

test("a range gets longer and shorter from where it began", () => {
  let picked = between(50, 50);
  for (const [to, expected] of [
    [70, "50-70"],
    [60, "50-60"],
    [30, "30-50"],
    [50, "50"],
  ] as const) {
    picked = between(anchorOf(picked, 50), to);
    expect(writePicked(picked)).toBe(expected);
  }
  // One that a link brought began at its first line.
  expect(writePicked(between(anchorOf({ from: 10, to: 20 }, null), 25))).toBe("10-25");
  expect(writePicked(between(anchorOf({ from: 10, to: 20 }, 50), 5))).toBe("5-10");
});
