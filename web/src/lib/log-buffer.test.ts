import { expect, it } from "vitest";
import type { LogLine } from "../api/types.ts";
import { filterLines, joinLines, logText, splitMatches } from "./log-buffer.ts";

const line = (ts: number, text = `line ${ts}`, stream: "out" | "err" = "out"): LogLine => ({ ts, stream, line: text });
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => line(from + i));

it("joins the file and the live lines without a double and without a hole", () => {
  expect(joinLines(range(0, 10), range(7, 14))).toEqual(range(0, 14));
  expect(joinLines(range(0, 5), range(5, 8))).toEqual(range(0, 8));
  expect(joinLines([], range(0, 3))).toEqual(range(0, 3));
  expect(joinLines(range(0, 3), [])).toEqual(range(0, 3));
});

it("keeps lines that are the same but were written twice", () => {
  const same = [line(1, "x"), line(1, "x")];
  expect(joinLines(same, [line(1, "x"), line(1, "x"), line(2)])).toEqual([...same, line(2)]);
});

it("filters by stream and text", () => {
  const lines = [line(1, "Start"), line(2, "warning", "err"), line(3, "restart")];
  expect(filterLines(lines, { stream: "all", search: "" })).toBe(lines);
  expect(filterLines(lines, { stream: "all", search: "START" }).map((l) => l.ts)).toEqual([1, 3]);
  expect(filterLines(lines, { stream: "err", search: "" }).map((l) => l.ts)).toEqual([2]);
});

it("splits a line around its matches", () => {
  expect(splitMatches("a Run and a run", "run")).toEqual(["a ", "Run", " and a ", "run", ""]);
  expect(splitMatches("nothing", "x")).toEqual(["nothing"]);
  expect(splitMatches("all", "")).toEqual(["all"]);
});

it("writes a file with full times", () => {
  expect(logText([line(0, "hello", "err")])).toBe("1970-01-01T00:00:00.000Z err hello\n");
});
