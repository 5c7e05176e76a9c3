import { Panel } from "@xyflow/react";
import { type FocusEvent, type MouseEvent, type RefObject, useMemo, useRef, useState } from "react";
import { count } from "../../lib/format.ts";
import type { GraphState } from "../../lib/graph-state.ts";

/**
 * What a task that the pointer or the focus is on waits for, and what waits for it, over any number of steps. The rest is
 * dimmed by a class: to draw five hundred boxes anew with every move of the pointer would make it stutter.
 */
export function useDependencies(box: RefObject<HTMLElement | null>, graph: GraphState) {
  const tell = useRef<(said: string | null) => void>(() => {});
  const current = useRef<string | null>(null);
  const beside = useMemo(() => {
    const before = new Map<string, string[]>();
    const after = new Map<string, string[]>();
    const put = (map: Map<string, string[]>, key: string, value: string) => {
      const list = map.get(key);
      if (list) list.push(value);
      else map.set(key, [value]);
    };
    for (const e of graph.edges) {
      put(before, e.to, e.from);
      put(after, e.from, e.to);
    }
    return { before, after };
  }, [graph]);
  const show = (id: string | null) => {
    if (id === current.current) return;
    current.current = id;
    const view = box.current;
    if (!view) return;
    for (const old of view.querySelectorAll(".near")) old.classList.remove("near");
    view.classList.toggle("hovering", id !== null);
    tell.current(id === null ? null : sentence(beside.before.get(id) ?? [], beside.after.get(id) ?? []));
    if (id === null) return;
    const up = reach(id, beside.before);
    const down = reach(id, beside.after);
    for (const node of view.querySelectorAll<HTMLElement>(".react-flow__node")) {
      const at = node.dataset.id ?? "";
      if (up.has(at) || down.has(at)) node.classList.add("near");
    }
    for (const edge of view.querySelectorAll<SVGElement>(".react-flow__edge")) {
      const [from = "", to = ""] = (edge.dataset.id ?? "").split("\n");
      if ((up.has(from) && up.has(to)) || (down.has(from) && down.has(to))) edge.classList.add("near");
    }
  };
  const idOf = (target: EventTarget | null) =>
    target instanceof Element ? (target.closest<HTMLElement>("[data-node]")?.dataset.node ?? null) : null;
  return {
    tell,
    handlers: {
      onMouseOver: (e: MouseEvent) => show(idOf(e.target)),
      onMouseLeave: () => show(null),
      onFocus: (e: FocusEvent) => show(idOf(e.target)),
      onBlur: () => show(null),
    },
  };
}

function reach(from: string, next: ReadonlyMap<string, string[]>): Set<string> {
  const seen = new Set([from]);
  for (const id of seen) for (const to of next.get(id) ?? []) seen.add(to);
  return seen;
}

const shown = 3;
const list = (ids: string[]) =>
  ids.length > shown
    ? `${ids.slice(0, shown).join(", ")} and ${count(ids.length - shown, "more", "more")}`
    : ids.join(", ");

export const sentence = (before: string[], after: string[]): string =>
  `${before.length > 0 ? `Waits for ${list(before)}` : "Waits for nothing"}; ${after.length > 0 ? `then ${list(after)}` : "ends here"}.`;

/** What the pointer is on, in words; else what is given. It has a state of its own, so that the boxes are not drawn again. */
export function Said({
  tell,
  otherwise,
}: {
  tell: RefObject<(said: string | null) => void>;
  otherwise: string | undefined;
}) {
  const [said, setSaid] = useState<string | null>(null);
  tell.current = setSaid;
  const text = said ?? otherwise;
  if (text === undefined) return null;
  return (
    <Panel
      position="bottom-left"
      className="max-w-[60%] rounded-md border border-line bg-surface px-2.5 py-1 text-sm text-muted"
    >
      {text}
    </Panel>
  );
}
