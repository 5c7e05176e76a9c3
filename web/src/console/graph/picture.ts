import { shortId } from "../../lib/format.ts";
import { countStates, type EdgeState, type GraphState } from "../../lib/graph-state.ts";
import { saveFile } from "../../lib/save.ts";
import { lookOf } from "../../ui/state.tsx";
import type { Group } from "./fold.ts";
import { nodeHeight, nodeWidth, type Placed } from "./layout.ts";

const margin = 24;
const dashes: Partial<Record<EdgeState, string>> = { dead: "3 5", broken: "8 4" };

const escapeText = (text: string) =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: XML takes none of them
  text.replace(/[<>&"\u0000-\u001f]/g, (c) => ({ "<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;" })[c] ?? " ");

/** The whole graph as an SVG that stands on its own, in the colours of the page. */
export function drawSVG(
  graph: GraphState,
  groups: ReadonlyMap<string, Group>,
  placed: Placed,
  definition: boolean,
  colour: (name: string) => string,
): string {
  const tone: Record<EdgeState, string> = {
    open: colour("outline"),
    fired: colour("ok"),
    dead: colour("outline"),
    broken: colour("bad"),
  };
  const at = (id: string) => placed.positions.get(id) ?? { x: 0, y: 0 };
  const edges = graph.edges.map((e) => {
    const state = definition ? "open" : e.state;
    const [from, to] = [at(e.from), at(e.to)];
    const [x1, y1, x2, y2] = [from.x + nodeWidth, from.y + nodeHeight / 2, to.x - 6, to.y + nodeHeight / 2];
    const bend = Math.max(24, (x2 - x1) / 2);
    return `<path d="M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}" fill="none" stroke="${tone[state]}" stroke-width="1.5"${dashes[state] ? ` stroke-dasharray="${dashes[state]}"` : ""} marker-end="url(#${state})"/>`;
  });
  const boxes = graph.nodes.map((n) => {
    const { x, y } = at(n.id);
    const group = groups.get(n.id);
    const look = lookOf(n.state);
    const name = group ? `${shortId(group.name, 18, 6)} ×${group.members.length}` : shortId(n.id, 24, 8);
    const below = definition
      ? ""
      : group
        ? countStates(group.members)
            .slice(0, 2)
            .map(([s, k]) => `${k} ${lookOf(s).label.toLowerCase()}`)
            .join(", ")
        : look.label;
    const ink = definition ? colour("outline") : colour(look.tone);
    return `<g><title>${escapeText(n.id)}</title><rect x="${x}" y="${y}" width="${nodeWidth}" height="${nodeHeight}" rx="8" fill="${colour("surface")}" stroke="${colour("outline")}"/><rect x="${x}" y="${y + 8}" width="3" height="${nodeHeight - 16}" fill="${ink}"/><text x="${x + 14}" y="${y + 28}" font-weight="600" fill="${colour("text")}">${escapeText(name)}</text><text x="${x + 14}" y="${y + 50}" font-size="13" fill="${ink}">${escapeText(below)}</text></g>`;
  });
  const heads = Object.entries(tone).map(
    ([state, fill]) =>
      `<marker id="${state}" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="${fill}"/></marker>`,
  );
  const [width, height] = [Math.ceil(placed.width + 2 * margin), Math.ceil(placed.height + 2 * margin)];
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="${-margin} ${-margin} ${width} ${height}" font-family="system-ui, sans-serif" font-size="15"><defs>${heads.join("")}</defs><rect x="${-margin}" y="${-margin}" width="100%" height="100%" fill="${colour("bg")}"/>${edges.join("")}${boxes.join("")}</svg>`;
}

// What a browser paints at most; a larger graph becomes a smaller picture of it.
const mostPixels = 6_000;

/** Saves a drawing as it is, or painted. */
export async function savePicture(kind: "svg" | "png", name: string, svg: string): Promise<void> {
  if (kind === "svg") return saveFile(`${name}.svg`, new Blob([svg], { type: "image/svg+xml" }));
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const scale = Math.min(2, mostPixels / Math.max(image.width, image.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.floor(image.width * scale));
  canvas.height = Math.max(1, Math.floor(image.height * scale));
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/png"));
  if (!blob) throw new Error("This browser cannot paint a picture of that size");
  saveFile(`${name}.png`, blob);
}
