import { Panel, useReactFlow } from "@xyflow/react";
import { ChevronsDownUp, Download, Maximize, Minus, Plus, Route } from "lucide-react";
import { useRef } from "react";
import type { GraphState } from "../../lib/graph-state.ts";
import { countStates } from "../../lib/graph-state.ts";
import { Button, IconButton } from "../../ui/button.tsx";
import { Menu } from "../../ui/menu.tsx";
import { lookOf, StateIcon } from "../../ui/state.tsx";

interface Props {
  /** As it is drawn. */
  graph: GraphState;
  definition: boolean;
  /** Goes to a box and puts the focus on it. */
  go: (id: string) => void;
  fit: () => void;
  critical: { on: boolean; toggle: () => void } | null;
  onFold: (() => void) | null;
  onSave: (kind: "svg" | "png") => void;
}

const findFrom = 30;

/** What stands above the graph: find a task, go from one failed task to the next, the critical path, zoom, a picture. */
export function Tools({ graph, definition, go, fit, critical, onFold, onSave }: Props) {
  const flow = useReactFlow();
  const at = useRef(new Map<string, number>());
  const next = (what: string, fits: (n: GraphState["nodes"][number]) => boolean) => {
    const found = graph.nodes.filter(fits);
    const i = (at.current.get(what) ?? -1) + 1;
    at.current.set(what, i % Math.max(1, found.length));
    const node = found[i % Math.max(1, found.length)];
    if (node) go(node.id);
    return found.length;
  };
  const large = graph.nodes.length >= findFrom;
  return (
    <>
      <Panel position="top-left" className="flex max-w-[70%] flex-wrap items-center gap-1.5">
        {large && (
          <label>
            <span className="sr-only">Find a task in the graph; Enter goes to the next one</span>
            <input
              type="search"
              className="field w-40"
              placeholder="Find a task"
              spellCheck={false}
              onKeyDown={(e) => {
                if (e.key !== "Enter") return;
                const text = e.currentTarget.value.trim().toLowerCase();
                const found = text === "" ? 1 : next(`find ${text}`, (n) => n.id.toLowerCase().includes(text));
                e.currentTarget.setAttribute("aria-invalid", String(found === 0));
              }}
            />
          </label>
        )}
        {large &&
          !definition &&
          countStates(graph.nodes).map(([state, n]) => (
            <button
              key={state}
              type="button"
              data-count={state}
              title={`Go to the next one: ${lookOf(state).label.toLowerCase()}`}
              onClick={() => next(state, (node) => node.state === state)}
              className={`tone-${lookOf(state).tone} tint inline-flex min-h-7 items-center gap-1 rounded-full border px-2 text-xs font-medium`}
            >
              <StateIcon state={state} className="size-3.5" />
              {n} {lookOf(state).label.toLowerCase()}
            </button>
          ))}
      </Panel>
      <Panel position="top-right" className="flex items-center rounded-md border border-line bg-surface">
        {onFold && (
          <Button size="sm" variant="ghost" icon={ChevronsDownUp} onClick={onFold}>
            Fold again
          </Button>
        )}
        {critical && (
          <IconButton
            icon={Route}
            label="Critical path"
            aria-pressed={critical.on}
            className="aria-pressed:bg-sunken aria-pressed:text-accent"
            onClick={critical.toggle}
          />
        )}
        <IconButton icon={Plus} label="Zoom in" onClick={() => void flow.zoomIn()} />
        <IconButton icon={Minus} label="Zoom out" onClick={() => void flow.zoomOut()} />
        <IconButton icon={Maximize} label="Show the whole graph" onClick={fit} />
        <Menu
          label="Save a picture of the graph"
          icon={Download}
          items={[
            { label: "Save as SVG", run: () => onSave("svg") },
            { label: "Save as PNG", run: () => onSave("png") },
          ]}
        />
      </Panel>
    </>
  );
}
