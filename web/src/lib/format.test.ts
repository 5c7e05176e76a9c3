import { describe, expect, it } from "vitest";
import { ago, bytes, count, duration, elapsed, instant, shellQuote, shortId, ticking } from "./format.ts";

describe("duration", () => {
  it.each([
    [null, "–"],
    [Number.NaN, "–"],
    [-5, "0 ms"],
    [0, "0 ms"],
    [999, "999 ms"],
    [1_000, "1.0 s"],
    [4_250, "4.2 s"],
    [9_999, "9.9 s"],
    [10_000, "10 s"],
    [59_999, "59 s"],
    [60_000, "1 m"],
    [190_000, "3 m 10 s"],
    [3_600_000, "1 h"],
    [7_500_000, "2 h 5 m"],
    [273_600_000, "3 d 4 h"],
  ])("%s ms is %s", (ms, text) => {
    expect(duration(ms)).toBe(text);
  });
});

describe("ago", () => {
  it.each([
    [-3_000, "just now"],
    [1_999, "just now"],
    [2_000, "2 s ago"],
    [119_000, "1 m ago"],
    [7_200_000, "2 h ago"],
    [172_800_000, "2 d ago"],
  ])("%s ms is %s", (ms, text) => {
    expect(ago(ms)).toBe(text);
  });
});

describe("instant", () => {
  it("reads wire times and ms, and nothing else", () => {
    expect(instant("2026-11-21T10:00:00.000Z")).toBe(Date.UTC(2026, 10, 21, 10));
    expect(instant(12)).toBe(12);
    for (const nothing of [null, undefined, "", "soon", 0]) expect(instant(nothing)).toBeNull();
  });

  it("measures to now while there is no end", () => {
    expect(elapsed("2026-11-21T10:00:00.000Z", null, Date.UTC(2026, 10, 21, 10, 0, 5))).toBe(5_000);
    expect(elapsed("2026-11-21T10:00:00.000Z", "2026-11-21T10:00:02.000Z", 0)).toBe(2_000);
    expect(elapsed(null, null, 0)).toBeNull();
  });
});

it("writes sizes in binary units", () => {
  expect([0, 1_023, 1_024, 14_233, 5_242_880].map(bytes)).toEqual(["0 B", "1023 B", "1.0 KiB", "14 KiB", "5.0 MiB"]);
  expect(bytes(undefined)).toBe("–");
});

it("counts in words", () => {
  expect([count(1, "run"), count(2, "run"), count(0, "retry", "retries")]).toEqual(["1 run", "2 runs", "0 retries"]);
});

it("cuts ids in the middle and keeps both ends", () => {
  expect(shortId("prun_0192f3c4d5e6f7a8", 16)).toBe("prun_0192f3…f7a8");
  expect(shortId("prun_1", 16)).toBe("prun_1");
});

it("quotes for a shell", () => {
  expect(shellQuote("pdf-processor")).toBe("pdf-processor");
  expect(shellQuote('{"a":"it\'s"}')).toBe(`'{"a":"it'\\''s"}'`);
});

it.each([
  [-1, "0 s"],
  [999, "0 s"],
  [4_250, "4 s"],
  [59_999, "59 s"],
  [190_400, "3 m 10 s"],
])("counts whole seconds while time goes by: %d", (ms, text) => {
  expect(ticking(ms)).toBe(text);
});
