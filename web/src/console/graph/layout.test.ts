import { expect, it } from "vitest";
import { deriveGraph } from "../../lib/graph-state.ts";
import { inLayers, nodeHeight, place } from "./layout.ts";

const dense = (n: number) =>
  deriveGraph({
    structure: Object.fromEntries(
      Array.from({ length: n }, (_, i) => [
        `t${i}`,
        {
          allowedNext: [25, 26, 30, 36]
            .map((k) => i + k)
            .filter((j) => j < n)
            .map((j) => `t${j}`),
        },
      ]),
    ),
    entryTasks: [],
    tasks: [],
  });

it("X5: places 500 tasks and 2,000 edges at once, none upon another, each behind what it waits for", () => {
  const graph = dense(500);
  const begun = performance.now();
  const { positions } = place(graph);
  expect(performance.now() - begun).toBeLessThan(500);
  expect(new Set([...positions.values()].map((p) => `${p.x} ${p.y}`)).size).toBe(500);
  for (const edge of graph.edges) {
    expect(positions.get(edge.to)?.x ?? 0).toBeGreaterThan(positions.get(edge.from)?.x ?? 0);
  }
});

it("keeps a layer apart by more than a task is high", () => {
  const { positions } = inLayers(dense(60));
  const ys = [...positions.values()]
    .filter((p) => p.x === 0)
    .map((p) => p.y)
    .sort((a, b) => a - b);
  expect((ys[1] ?? 0) - (ys[0] ?? 0)).toBeGreaterThan(nodeHeight);
});
