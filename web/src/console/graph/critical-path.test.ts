import { expect, it } from "vitest";
import type { TaskRun } from "../../api/types.ts";
import { deriveGraph } from "../../lib/graph-state.ts";
import { criticalPath } from "./critical-path.ts";

const at = (s: number) => new Date(Date.UTC(2026, 10, 20, 9) + s * 1_000).toISOString();
const run = (taskId: string, from: number, to: number | null, more: Partial<TaskRun> = {}) =>
  ({
    id: taskId,
    taskId,
    status: to === null ? "running" : "completed",
    attempt: 1,
    startedAt: at(from),
    completedAt: to === null ? null : at(to),
    ...more,
  }) as TaskRun;
const path = (tasks: TaskRun[]) =>
  criticalPath(
    deriveGraph({
      structure: {
        in: { allowedNext: ["slow", "quick"] },
        slow: { allowedNext: ["join"] },
        quick: { allowedNext: ["join"] },
        join: { allowedNext: [] },
      },
      entryTasks: ["in"],
      tasks,
      status: "running",
    }),
  );

it("goes back from what ended last over what it waited for longest", () => {
  expect(path([run("in", 0, 1), run("slow", 1, 9), run("quick", 1, 3), run("join", 9, 10)])).toEqual([
    "in",
    "slow",
    "join",
  ]);
});

it("takes what still runs as the end, and says nothing of a run that did not begin", () => {
  expect(path([run("in", 0, 1), run("slow", 1, 2), run("quick", 1, null)])).toEqual(["in", "quick"]);
  expect(path([])).toEqual([]);
});

it("leaves out a branch that was not taken", () => {
  expect(path([run("in", 0, 1, { selectedNext: ["quick"] }), run("quick", 1, 3), run("join", 3, 4)])).toEqual([
    "in",
    "quick",
    "join",
  ]);
});
