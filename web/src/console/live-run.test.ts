import { describe, expect, it } from "vitest";
import type { RunChanges, RunDetail, StreamEvent, TaskRun } from "../api/types.ts";
import { ChangedTasks, mergeRun } from "./live-run.ts";

const event = (more: Partial<StreamEvent>): StreamEvent => ({ seq: 1, type: "run", at: null, ...more });
const task = (id: string, status: string) => ({ id, taskId: id, status }) as TaskRun;
const run = (...tasks: TaskRun[]) => ({ id: "r", status: "running", startedAt: null, tasks }) as RunDetail;
const news = (more: Partial<RunChanges>): RunChanges => ({
  status: "running",
  startedAt: null,
  completedAt: null,
  total: 0,
  tasks: [],
  ...more,
});

describe("ChangedTasks", () => {
  it("names what changed, once", () => {
    const changed = new ChangedTasks();
    changed.note(event({ runId: "r", taskRunId: "a" }));
    changed.note(event({ runId: "r", taskRunId: "a" }));
    changed.note(event({ runId: "r", taskRunId: "b" }));
    changed.note(event({ runId: "other", taskRunId: "c" }));
    expect(changed.take("r")).toEqual(["a", "b"]);
    expect(changed.take("r")).toBeNull();
  });

  it.each([
    ["the end of the run", event({ runId: "r", status: "failed" })],
    ["another replica", event({})],
    ["a gap", event({ type: "resync" })],
  ])("does not pretend to know after %s", (_, after) => {
    const changed = new ChangedTasks();
    changed.note(event({ runId: "r", taskRunId: "a" }));
    changed.note(after);
    changed.note(event({ runId: "r", taskRunId: "b" }));
    expect(changed.take("r")).toBeNull();
  });

  it("gives up counting where the whole is cheaper", () => {
    const changed = new ChangedTasks();
    for (let i = 0; i < 501; i++) changed.note(event({ runId: "r", taskRunId: `t${i}` }));
    expect(changed.take("r")).toBeNull();
  });
});

describe("mergeRun", () => {
  const old = run(task("a", "running"), task("b", "pending"));

  it("puts what changed in its place and what is new at the end", () => {
    const got = mergeRun(old, news({ total: 3, tasks: [task("a", "completed"), task("c", "pending")] }));
    expect(got?.tasks?.map((t) => `${t.id}=${t.status}`)).toEqual(["a=completed", "b=pending", "c=pending"]);
    expect(old.tasks?.[0]?.status).toBe("running");
  });

  it("wants the whole run where some are missing, or the run itself went on", () => {
    expect(mergeRun(old, news({ total: 3, tasks: [task("a", "completed")] }))).toBeNull();
    expect(mergeRun(old, news({ total: 2, status: "failed" }))).toBeNull();
  });
});
