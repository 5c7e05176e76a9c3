import { expect, it, vi } from "vitest";
import { inBatches } from "./dlq.ts";

const ids = Array.from({ length: 250 }, (_, i) => `dlq_${i}`);

it("does many a hundred at a time and says how far it came", async () => {
  const told: number[] = [];
  const step = vi.fn(async (part: string[]) => ({
    done: part.length - 1,
    failed: [{ id: part[0] ?? "", reason: "no" }],
  }));
  const got = await inBatches(ids, step, (n) => told.push(n));
  expect(step.mock.calls.map(([part]) => part.length)).toEqual([100, 100, 50]);
  expect(got.done).toBe(247);
  expect(got.failed.map((f) => f.id)).toEqual(["dlq_0", "dlq_100", "dlq_200"]);
  expect(told).toEqual([100, 200, 250]);
});

it("tells what was done where it breaks off, and fails where nothing was", async () => {
  let n = 0;
  const step = async (part: string[]) => {
    if (++n === 2) throw new Error("gone");
    return { done: part.length, failed: [] };
  };
  const got = await inBatches(ids, step, () => {});
  expect(got.done).toBe(100);
  expect(got.failed).toHaveLength(150);
  expect(got.failed[0]).toEqual({ id: "dlq_100", reason: "gone" });
  expect(got.failed[149]).toEqual({ id: "dlq_249", reason: "Not tried after that" });
  await expect(
    inBatches(
      ids,
      async () => {
        throw new Error("gone");
      },
      () => {},
    ),
  ).rejects.toThrow("gone");
});
