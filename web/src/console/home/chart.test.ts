import { expect, it } from "vitest";
import type { RunTally } from "../../api/types.ts";
import { barsOf, sumOf } from "./chart.ts";

const step = (more: Partial<RunTally>): RunTally => ({
  completed: 0,
  failed: 0,
  partial: 0,
  cancelled: 0,
  active: 0,
  ...more,
});

it("stands runs on the axis and hangs failures below it, to one scale", () => {
  const { axis, bars, top } = barsOf([step({ completed: 30, active: 10 }), step({ failed: 20 }), step({})], 60);
  expect(top).toBe(40);
  expect(axis).toBe(40);
  expect(bars).toEqual([
    [
      { kind: "active", y: 30, height: 10 },
      { kind: "completed", y: 0, height: 30 },
    ],
    [{ kind: "failed", y: 40, height: 20 }],
    [],
  ]);
});

it("shows one failure among very many runs, and no axis without failures", () => {
  const rare = barsOf([step({ completed: 100_000, failed: 1 })], 60);
  const failed = rare.bars[0]?.find((p) => p.kind === "failed");
  expect(failed?.height).toBeGreaterThanOrEqual(2);
  expect(rare.bars[0]?.[0]?.y).toBeGreaterThanOrEqual(0);
  expect(barsOf([step({ completed: 3 })], 60).axis).toBe(60);
  expect(barsOf([step({})], 60)).toEqual({ axis: 60, bars: [[]], top: 0 });
  // Nothing but failures uses all the room.
  expect(barsOf([step({ failed: 4 })], 60)).toMatchObject({ axis: 0, bars: [[{ y: 0, height: 60 }]] });
});

it("sums steps", () => {
  expect(sumOf([step({ completed: 1, failed: 2 }), step({ failed: 3, partial: 1 })])).toEqual(
    step({ completed: 1, failed: 5, partial: 1 }),
  );
});
