import { describe, expect, it } from "vitest";
import type { TaskRun } from "../../api/types.ts";
import { deriveGraph, type GraphState, type Structure } from "../../lib/graph-state.ts";
import { findAlike, foldGraph } from "./fold.ts";

const closed = new Set<string>();
const names = (n: number, stem: string) => Array.from({ length: n }, (_, i) => `${stem}-${i}`);
const to = (...allowedNext: string[]) => ({ allowedNext });
const graphOf = (structure: Structure, tasks: Partial<TaskRun>[] = []) =>
  deriveGraph({
    structure,
    entryTasks: Object.keys(structure).slice(0, 1),
    tasks: tasks.map((t) => ({ attempt: 1, ...t }) as TaskRun),
    status: "running",
  });
const fold = (graph: GraphState, open = closed) => foldGraph(graph, findAlike(graph), open);
const shape = (structure: Structure) => {
  const { graph, groups } = fold(graphOf(structure));
  return [
    graph.nodes.map((n) => (groups.has(n.id) ? `${groups.get(n.id)?.name}×${groups.get(n.id)?.members.length}` : n.id)),
    graph.edges.map((e) => `${e.from}>${e.to}`),
  ];
};

describe("folding", () => {
  it("draws a fan-out as one and says how it stands", () => {
    const pages = names(128, "page");
    const graph = graphOf(
      { split: to(...pages), ...Object.fromEntries(pages.map((p) => [p, to("join")])), join: to() },
      [
        { id: "s", taskId: "split", status: "completed" },
        ...pages.map((p, i) => ({ id: p, taskId: p, status: i < 3 ? "failed" : "completed" })),
      ],
    );
    const folded = fold(graph);
    expect(folded.graph.nodes.map((n) => [n.id, n.state])).toEqual([
      ["split", "completed"],
      ["page-0", "failed"],
      ["join", "skipped"],
    ]);
    expect(folded.graph.edges).toEqual([
      { from: "split", to: "page-0", state: "fired" },
      { from: "page-0", to: "join", state: "broken" },
    ]);
    expect(folded.groups.get("page-0")).toMatchObject({ name: "page", members: { length: 128 } });
    const open = fold(graph, new Set(["page-0"]));
    expect(open.graph).toBe(graph);
    expect(open.unfolded[0]?.members).toHaveLength(128);
  });

  it("folds chains that run beside each other", () => {
    const [a, b] = [names(20, "ocr"), names(20, "check")];
    expect(
      shape({
        split: to(...a),
        ...Object.fromEntries(a.map((id, i) => [id, to(b[i] as string)])),
        ...Object.fromEntries(b.map((id) => [id, to("join")])),
        join: to(),
      }),
    ).toEqual([
      ["split", "ocr×20", "check×20", "join"],
      ["split>ocr-0", "ocr-0>check-0", "check-0>join"],
    ]);
  });

  it("keeps apart what hangs on different tasks, has different names, or is few", () => {
    const [a, b] = [names(8, "x"), names(8, "y")];
    const [nodes] = shape({
      in: to("left-1", "left-2", "one", "two"),
      "left-1": to(...a),
      "left-2": to(...b.map((id) => id.replace("y", "x1"))),
      one: to(),
      two: to(),
      ...Object.fromEntries([...a, ...b.map((id) => id.replace("y", "x1"))].map((id) => [id, to()])),
    });
    expect(nodes).toEqual(["in", "left-1", "left-2", "one", "two", "x×8", "x1×8"]);
    expect(
      shape({ a: to(...names(7, "b")), ...Object.fromEntries(names(7, "b").map((id) => [id, to()])) })[0],
    ).toHaveLength(8);
  });

  it("does not fold a chain, nor what is woven together", () => {
    const chain = names(40, "step");
    expect(shape(Object.fromEntries(chain.map((id, i) => [id, to(...chain.slice(i + 1, i + 2))])))[0]).toHaveLength(40);
    const layers = names(50, "n");
    const woven = Object.fromEntries(
      layers.map((id, i) => [id, to(...(i < 25 ? [0, 1].map((k) => `n-${25 + ((i + k) % 25)}`) : []))]),
    );
    expect(shape(woven)[0]).toHaveLength(50);
  });

  it("X5: folds 10,000 tasks at once", () => {
    const pages = names(10_000, "page");
    const graph = graphOf({ split: to(...pages), ...Object.fromEntries(pages.map((p) => [p, to()])) });
    const begun = performance.now();
    expect(fold(graph).graph.nodes).toHaveLength(2);
    expect(performance.now() - begun).toBeLessThan(1_000);
  });
});
