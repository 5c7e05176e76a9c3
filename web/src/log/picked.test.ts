import { expect, test } from "vitest";
import { parsePicked, writePicked } from "./picked.ts";

test("what is picked stands in an address and is read back", () => {
  for (const picked of [{ from: 40, to: 52 }, { from: 7, to: 7 }, null]) {
    expect(parsePicked(writePicked(picked))).toEqual(picked);
  }
});

test("an address that was written by hand is read as far as it says something", () => {
  expect(parsePicked("52-40")).toEqual({ from: 40, to: 52 });
  for (const odd of ["", "-", "4-", "x", "1-2-3", "-4", undefined, null]) expect(parsePicked(odd)).toBeNull();
});
