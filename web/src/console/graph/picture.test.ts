// @vitest-environment happy-dom
import { expect, it } from "vitest";
import { deriveGraph } from "../../lib/graph-state.ts";
import { inLayers } from "./layout.ts";
import { drawSVG } from "./picture.ts";

it("draws every task and edge, and names do not become markup", () => {
  const hostile = `<img src=x onerror=alert(1)>&"\u0007`;
  const graph = deriveGraph({
    structure: { in: { allowedNext: [hostile] }, [hostile]: { allowedNext: [] } },
    entryTasks: ["in"],
    tasks: [],
    status: "failed",
  });
  const svg = drawSVG(graph, new Map(), inLayers(graph), false, (name) => `#${name.length}`);
  const doc = new DOMParser().parseFromString(svg, "image/svg+xml");
  expect(doc.querySelectorAll("g")).toHaveLength(2);
  expect(doc.querySelectorAll("path[marker-end]")).toHaveLength(1);
  expect(doc.querySelectorAll("img")).toHaveLength(0);
  expect(svg).toContain("&lt;img");
  expect(svg).not.toContain("\u0007");
});
