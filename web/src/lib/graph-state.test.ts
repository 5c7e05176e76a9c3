import { describe, expect, it } from "vitest";
import type { TaskRun } from "../api/types.ts";
import { deriveGraph, type GraphInput, progressOf, type Structure, topological } from "./graph-state.ts";

const pdf: Structure = {
  download: { allowedNext: ["text", "tables"] },
  text: { allowedNext: ["summary"] },
  tables: { allowedNext: ["summary"] },
  summary: { allowedNext: null },
};

function row(taskId: string, status: string, more: Partial<TaskRun> = {}): TaskRun {
  return {
    id: `trun_${taskId}`,
    taskId,
    status,
    codeVersion: 1,
    codeHash: "",
    codeChanged: false,
    firstRun: false,
    attempt: 1,
    maxRetries: 3,
    priority: 100,
    inputPath: "",
    upstreamRefs: null,
    previousAttempts: null,
    scheduledAt: null,
    startedAt: null,
    completedAt: null,
    lastHeartbeat: null,
    createdAt: "2026-11-21T10:00:00.000Z",
    metadata: null,
    ...more,
  };
}

function derive(tasks: TaskRun[], more: Partial<GraphInput> = {}) {
  const graph = deriveGraph({
    structure: pdf,
    entryTasks: ["download"],
    tasks,
    status: "running",
    failureMode: "fail-fast",
    ...more,
  });
  return {
    nodes: Object.fromEntries(graph.nodes.map((n) => [n.id, n.state])),
    edges: Object.fromEntries(graph.edges.map((e) => [`${e.from}>${e.to}`, e.state])),
  };
}

describe("deriveGraph", () => {
  it("shows a run that has just begun", () => {
    expect(derive([row("download", "pending")])).toEqual({
      nodes: { download: "queued", text: "blocked", tables: "blocked", summary: "blocked" },
      edges: { "download>text": "open", "download>tables": "open", "text>summary": "open", "tables>summary": "open" },
    });
  });

  it("forgets what a retry made void", () => {
    const replayed = derive([
      row("download", "completed"),
      row("text", "failed", { id: "trun_old", supersededBy: "trun_new" }),
      row("tables", "completed"),
      row("summary", "completed", { supersededBy: "trun_new" }),
      row("text", "running", { id: "trun_new" }),
    ]);
    expect(replayed.nodes).toEqual({ download: "completed", text: "running", tables: "completed", summary: "blocked" });
  });

  it("draws a task that was not chosen as skipped, and does not let it hold up the join", () => {
    const { nodes, edges } = derive([row("download", "completed", { selectedNext: ["text"] }), row("text", "running")]);
    expect(nodes).toEqual({ download: "completed", text: "running", tables: "skipped", summary: "blocked" });
    expect(edges).toEqual({
      "download>text": "fired",
      "download>tables": "dead",
      "text>summary": "open",
      "tables>summary": "dead",
    });
  });

  it("takes no selection for all and an empty one for none", () => {
    expect(derive([row("download", "completed")]).edges["download>tables"]).toBe("fired");
    const ended = derive([row("download", "completed", { selectedNext: [] })]);
    expect(ended.nodes).toMatchObject({ text: "skipped", tables: "skipped", summary: "skipped" });
  });

  it("lets a skip run on through everything behind it", () => {
    const chain: Structure = {
      a: { allowedNext: ["b"] },
      b: { allowedNext: ["c"] },
      c: { allowedNext: ["d"] },
      d: { allowedNext: [] },
    };
    const { nodes, edges } = derive([row("a", "completed", { selectedNext: [] })], {
      structure: chain,
      entryTasks: ["a"],
    });
    expect(nodes).toEqual({ a: "completed", b: "skipped", c: "skipped", d: "skipped" });
    expect(edges["c>d"]).toBe("dead");
  });

  const halfBroken = [row("download", "completed"), row("text", "completed"), row("tables", "failed")];

  it("skips a join with a broken edge under continue", () => {
    const { nodes, edges } = derive(halfBroken, { failureMode: "continue" });
    expect(nodes.summary).toBe("skipped");
    expect(edges).toMatchObject({ "text>summary": "fired", "tables>summary": "broken" });
  });

  it("expects a join with a broken edge to run under partial-merge", () => {
    expect(derive(halfBroken, { failureMode: "partial-merge" }).nodes.summary).toBe("blocked");
  });

  it("leaves nothing waiting once the run has ended", () => {
    const { nodes } = derive([row("download", "failed")], { status: "failed" });
    expect(nodes).toEqual({ download: "failed", text: "skipped", tables: "skipped", summary: "skipped" });
  });

  it("tells a retry from a first wait", () => {
    expect(derive([row("download", "pending", { attempt: 2 })]).nodes.download).toBe("retrying");
  });

  it("counts the newer of two rows of one task", () => {
    const old = row("download", "failed");
    const replay = row("download", "running", { createdAt: "2026-11-21T11:00:00.000Z" });
    expect(derive([replay, old]).nodes.download).toBe("running");
  });

  it("accepts the words of older engines", () => {
    expect(derive([row("download", "success")]).nodes.download).toBe("completed");
    expect(derive([row("download", "waiting")]).nodes.download).toBe("blocked");
  });
});

describe("topological", () => {
  it("puts every task behind what it waits for", () => {
    expect(topological(pdf)).toEqual(["download", "text", "tables", "summary"]);
  });

  it("loses no task to a cycle or to a name that is not there", () => {
    const odd: Structure = { a: { allowedNext: ["b", "gone"] }, b: { allowedNext: ["c"] }, c: { allowedNext: ["b"] } };
    expect(topological(odd).sort()).toEqual(["a", "b", "c"]);
  });
});

it("reads progress only where it is one", () => {
  expect(progressOf(row("a", "running", { metadata: { progress: 140, progressMessage: "page 2" } }))).toEqual({
    percent: 100,
    message: "page 2",
  });
  for (const metadata of [null, [], "x", { progress: "40" }])
    expect(progressOf(row("a", "running", { metadata }))).toEqual({ percent: null, message: "" });
});
