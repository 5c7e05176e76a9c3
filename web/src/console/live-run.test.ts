import { describe, expect, it } from "vitest";
import type { RunChanges, RunDetail, StreamEvent, TaskRun } from "../api/types.ts";
import { ChangedTasks, changesOf, mergeRun } from "./live-run.ts";

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
    expect(changed.of("r")).toEqual(["a", "b"]);
    changed.forget("r");
    expect(changed.of("r")).toBeNull();
    expect(changed.of("other")).toEqual(["c"]);
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
    expect(changed.of("r")).toBeNull();
  });

  it("gives up counting where nobody would ask for them one by one", () => {
    const changed = new ChangedTasks();
    for (let i = 0; i < 5_001; i++) changed.note(event({ runId: "r", taskRunId: `t${i}` }));
    expect(changed.of("r")).toBeNull();
  });
});

describe("changesOf", () => {
  const names = (n: number) => Array.from({ length: n }, (_, i) => `t${i}`);
  const large = run(...names(10_000).map((id) => task(id, "pending")));

  it("asks for as many as the server answers, and once for what is new", () => {
    const asks = changesOf(large, names(1_200));
    expect(asks?.map((ask) => ask.get("ids")?.split(",").length)).toEqual([500, 500, 200]);
    expect(asks?.map((ask) => ask.get("after"))).toEqual(["t9999", null, null]);
  });

  it("wants the whole run where that is shorter", () => {
    expect(changesOf(large, names(2_501))).toBeNull();
    expect(changesOf(run(task("a", "running")), names(501))).toBeNull();
    expect(changesOf(run(task("a", "running")), null)).toBeNull();
    expect(changesOf(run(task("a", "running")), ["a"])).toHaveLength(1);
  });
});

describe("mergeRun", () => {
  const old = run(task("a", "running"), task("b", "pending"));

  it("puts what changed in its place and what is new at the end", () => {
    const got = mergeRun(old, news({ total: 3, tasks: [task("a", "completed"), task("c", "pending")] }));
    expect(got?.tasks?.map((t) => `${t.id}=${t.status}`)).toEqual(["a=completed", "b=pending", "c=pending"]);
    expect(old.tasks?.[0]?.status).toBe("running");
  });

  it("takes several answers, of which the first has what is new", () => {
    const first = news({ total: 3, tasks: [task("a", "completed"), task("c", "pending")] });
    const got = mergeRun(old, first, news({ total: 4, tasks: [task("b", "running")] }));
    expect(got?.tasks?.map((t) => `${t.id}=${t.status}`)).toEqual(["a=completed", "b=running", "c=pending"]);
    expect(mergeRun(old, first, news({ total: 3, status: "failed" }))).toBeNull();
  });

  it("wants the whole run where some are missing, or the run itself went on", () => {
    expect(mergeRun(old, news({ total: 3, tasks: [task("a", "completed")] }))).toBeNull();
    expect(mergeRun(old, news({ total: 2, status: "failed" }))).toBeNull();
  });
});
