import { expect, it } from "vitest";
import type { Line, LogPage } from "./source.ts";
import { addLive, addNewer, addOlder, around, fromEnd, indexOf, most, mostText } from "./window.ts";

const lines = (from: number, to: number): Line[] =>
  Array.from({ length: to - from }, (_, i) => ({
    pos: (from + i) * 10,
    at: null,
    text: `line ${from + i}`,
    mark: "out",
  }));
const page = (from: number, to: number, more: boolean): LogPage => ({
  lines: lines(from, to),
  next: more ? from * 10 : null,
  partial: false,
  gap: false,
  count: null,
  countPartial: false,
});
const numbers = (all: readonly Line[]) => all.map((line) => line.pos / 10);

it("grows at both ends without a gap and without a line twice", () => {
  let window = fromEnd(page(50, 60, true));
  window = addOlder(window, page(40, 50, true));
  window = addOlder(window, page(35, 45, false)); // what overlaps counts once
  window = addLive(window, lines(58, 63));
  expect(numbers(window.lines)).toEqual(Array.from({ length: 28 }, (_, i) => 35 + i));
  expect(window).toMatchObject({ older: null, newer: null });
});

it("does not take live lines behind a gap", () => {
  const window = around(page(10, 20, true), page(20, 30, true));
  expect(addLive(window, lines(90, 91))).toBe(window);
  const ahead = addNewer(window, page(30, 40, false));
  expect(numbers(addLive(ahead, lines(40, 41)).lines).at(-1)).toBe(40);
});

it("lets go what is far away, and knows that it is there", () => {
  const old = addOlder(fromEnd(page(10_000, 25_000, true)), page(0, 10_000, false));
  expect(old.lines.length).toBeLessThan(most);
  expect(old).toMatchObject({ older: null, newer: 149_990 });
  expect(old.lines[0]?.pos).toBe(0);
  const fresh = addLive(fromEnd(page(0, most, false)), lines(most, most + 1));
  expect(fresh).toMatchObject({ older: 50_010, newer: null });
  expect(fresh.lines.at(-1)?.pos).toBe(most * 10);
});

it("holds no more of long lines than a tab should", () => {
  const long = (from: number, to: number): LogPage => ({
    ...page(from, to, true),
    lines: lines(from, to).map((line) => ({ ...line, text: "x".repeat(100_000) })),
  });
  const size = (all: readonly Line[]) => all.reduce((sum, line) => sum + line.text.length, 0);
  const below = addNewer(fromEnd(long(0, 100)), long(100, 180));
  expect(size(below.lines)).toBeLessThanOrEqual(mostText);
  expect(numbers(below.lines).at(-1)).toBe(179);
  expect(below.older).toBe(below.lines[0]?.pos);
  const above = addOlder(fromEnd(long(100, 180)), long(0, 100));
  expect(numbers(above.lines)[0]).toBe(0);
  expect(above.newer).toBe(above.lines.at(-1)?.pos);
});

it("remembers where lines are missing", () => {
  const window = addNewer(fromEnd(page(0, 5, false)), { ...page(50, 60, false), gap: true });
  expect(window.gaps).toEqual([500]);
});

it("finds a line by its position", () => {
  const all = lines(1, 100);
  expect(indexOf(all, 0)).toBe(0);
  expect(indexOf(all, 500)).toBe(49);
  expect(indexOf(all, 505)).toBe(50);
  expect(indexOf(all, 10_000)).toBe(99);
});
