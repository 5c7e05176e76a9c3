import { expect, it } from "vitest";
import { holdsWords } from "./match.ts";

it("finds words in any order, over several texts, whatever their case", () => {
  expect(holdsWords("RUN  box", "build-box", "running")).toBe(true);
  expect(holdsWords("box stopped", "build-box", "running")).toBe(false);
  expect(holdsWords("null", "build-box", null, undefined, false)).toBe(false);
  for (const nothing of ["", "  ", undefined]) expect(holdsWords(nothing, "build-box")).toBe(true);
});
