import { expect, it } from "vitest";
import { percentile, statsOf } from "./stats.ts";

const run = (status: string, tookMs: number) => ({
  id: "r",
  status,
  createdAt: "2026-01-01T00:00:00.000Z",
  startedAt: "2026-01-01T00:00:01.000Z",
  completedAt: new Date(Date.UTC(2026, 0, 1, 0, 0, 1) + tookMs).toISOString(),
});

it("knows how the last runs went", () => {
  const stats = statsOf([
    run("completed", 100),
    run("completed", 300),
    run("failed", 5),
    run("cancelled", 9),
    run("running", 0),
  ]);
  expect(stats).toEqual({ ended: 3, success: 2 / 3, p50: 100, p95: 300 });
  expect(statsOf([])).toEqual({ ended: 0, success: null, p50: null, p95: null });
});

it("takes the nearest rank", () => {
  const hundred = Array.from({ length: 100 }, (_, i) => i + 1);
  expect(percentile(hundred, 0.5)).toBe(50);
  expect(percentile(hundred, 0.95)).toBe(95);
  expect(percentile([7], 0.95)).toBe(7);
});
