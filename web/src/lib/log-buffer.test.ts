import { expect, it } from "vitest";
import type { LogLine } from "../api/types.ts";
import { filterLines, joinLines, logText, splitMatches } from "./log-buffer.ts";

/** A line as a daemon without positions tells it. */
const line = (ts: number, text = `line ${ts}`, stream: "out" | "err" = "out"): LogLine => ({
  ts,
  stream,
  line: text,
  pos: -1,
});
const at = (pos: number, text = "the same"): LogLine => ({ ts: 1, stream: "out", line: text, pos });
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

it("joins by position, whatever the lines hold", () => {
  // All the same: by content nobody could tell how many there are.
  expect(joinLines([at(0), at(10), at(20)], [at(10), at(20), at(30)])).toEqual([at(0), at(10), at(20), at(30)]);
  expect(joinLines([at(0), at(10)], [at(20), at(30)])).toEqual([at(0), at(10), at(20), at(30)]);
  expect(joinLines([at(90), at(100)], [at(10), at(20)])).toEqual([at(90), at(100)]); // the file is far ahead
  expect(joinLines([], [at(30)])).toEqual([at(30)]);
});

it("keeps lines that could not be written, which have no position", () => {
  const lost = at(-1, "lost");
  expect(joinLines([at(0), at(10)], [at(10), lost, at(20)])).toEqual([at(0), at(10), lost, at(20)]);
});

it("joins what daemons send that tell no positions", () => {
  const bare = range(0, 6).map(({ pos, ...rest }) => rest as LogLine);
  expect(
    joinLines(
      bare.slice(0, 4),
      bare.slice(2).map((l) => ({ ...l, pos: -1 })),
    ).map((l) => l.ts),
  ).toEqual([0, 1, 2, 3, 4, 5]);
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
