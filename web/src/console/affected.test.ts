import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { affectedKeys, Coalescer, type Key } from "./affected.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it("knows what an event makes old", () => {
  expect(affectedKeys({ seq: 1, type: "run", runId: "prun_1", at: null })).toEqual([
    ["run", "prun_1"],
    ["runs"],
    ["queue"],
    ["dlq"],
    ["run-counts"],
  ]);
  const task = { seq: 1, type: "run" as const, runId: "prun_1", taskRunId: "trun_1", at: null };
  expect(affectedKeys({ ...task, status: "running" })).toEqual([["run", "prun_1"], ["queue"]]);
  expect(affectedKeys({ ...task, status: "failed" })).toEqual([["run", "prun_1"], ["queue"], ["dlq"]]);
  expect(affectedKeys({ seq: 1, type: "mode", at: null })).toEqual([["maintenance"], ["queue"]]);
  expect(affectedKeys({ seq: 1, type: "resync", at: null })).toEqual([[]]);
});

it("hands on the first at once and gathers the rest", () => {
  const flushed: Key[][] = [];
  const coalescer = new Coalescer((keys) => flushed.push(keys), 250);
  coalescer.add([["runs"]]);
  coalescer.add([["runs"], ["queue"]]);
  coalescer.add([["queue"]]);
  expect(flushed).toEqual([[["runs"]]]);
  vi.advanceTimersByTime(250);
  expect(flushed).toEqual([[["runs"]], [["runs"], ["queue"]]]);
  vi.advanceTimersByTime(1_000);
  coalescer.add([["run", "1"]]);
  expect(flushed).toHaveLength(3);
});
