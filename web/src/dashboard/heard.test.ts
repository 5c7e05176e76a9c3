import { expect, test } from "vitest";
import type { Operation } from "../api/types.ts";
import { withHeard } from "./heard.ts";

const op = (id: string, step: string, second: number, began = 0): Operation => ({
  id,
  kind: "upgrade",
  askedBy: "page",
  status: "running",
  step,
  steps: [],
  undoing: false,
  progress: 0,
  startedAt: `2026-01-02T03:04:${String(began).padStart(2, "0")}.000Z`,
  updatedAt: `2026-01-02T03:04:${String(second).padStart(2, "0")}.000Z`,
  endedAt: null,
  cancellable: false,
});

test("an answer that comes late does not take back what was heard since", () => {
  const steps = (list: Operation[]) => list.map((o) => `${o.id} ${o.step}`);
  expect(steps(withHeard([op("a", "check", 10)], [op("a", "drain", 11)]))).toEqual(["a drain"]);
  expect(steps(withHeard([op("a", "drain", 11)], [op("a", "check", 10)]))).toEqual(["a drain"]);
  // One that began since is kept, one that was forgotten there is not.
  expect(steps(withHeard([op("a", "check", 10)], [op("b", "check", 12, 12), op("old", "end", 3)]))).toEqual([
    "b check",
    "a check",
  ]);
  expect(withHeard([op("a", "check", 10)])).toHaveLength(1);
});
