import { expect, it } from "vitest";
import type { Run } from "../../api/types.ts";
import { holdRuns } from "./hold-runs.ts";

const runs = (...ids: string[]) => ids.map((id) => ({ id }) as Run);
const ids = (held: { runs: Run[] }) => held.runs.map((r) => r.id).join("");

it("keeps the rows and counts the new ones", () => {
  const base = { ids: ["c", "b", "a"], total: 3 };
  expect(holdRuns(runs("c", "b", "a"), 3, null)).toMatchObject({ fresh: 0 });
  const held = holdRuns(runs("e", "d", "c", "b"), 5, base);
  expect(ids(held)).toBe("cb");
  expect(held.fresh).toBe(2);
});

it("shows the answer where nothing of before is left", () => {
  const held = holdRuns(runs("z", "y"), 40, { ids: ["a"], total: 1 });
  expect(ids(held)).toBe("zy");
  expect(held.fresh).toBe(0);
});

it("shows later runs that moved up when one went", () => {
  const held = holdRuns(runs("c", "a", "0"), 3, { ids: ["c", "b", "a"], total: 4 });
  expect(ids(held)).toBe("ca0");
  expect(held.fresh).toBe(0);
});
