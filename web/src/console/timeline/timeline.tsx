import "./timeline.css";
import { ChevronLeft, ChevronRight, Maximize, Minus, Plus } from "lucide-react";
import { useMemo } from "react";
import type { RunDetail } from "../../api/types.ts";
import { count, duration, instant } from "../../lib/format.ts";
import type { GraphState } from "../../lib/graph-state.ts";
import { useNow } from "../../lib/now.ts";
import { localZone, zonePreference } from "../../lib/zone.ts";
import { Button, IconButton } from "../../ui/button.tsx";
import { FilterSelect } from "../../ui/field.tsx";
import { filterTasks, TaskFilterRow } from "../run/task-filter.tsx";
import { Axis } from "./axis.tsx";
import { fold, type Kind, mostRows, onlyAttempt, type Range, rangeOf, rowsOf, shift, zoom } from "./model.ts";
import { Rows } from "./rows.tsx";

/** What of the time line the address says. */
export interface View {
  attempt?: number | "last" | undefined;
  /** A group of tasks that is unfolded. */
  group?: string | undefined;
  from?: number | undefined;
  to?: number | undefined;
  /** Which tasks. */
  state?: string | undefined;
  find?: string | undefined;
}

interface Props {
  run: RunDetail;
  graph: GraphState;
  selected: string | undefined;
  onSelect: (task: string) => void;
  view: View;
  onView: (change: View) => void;
}

const filterFrom = 20;

/** When each task waited, ran and backed off. A fifth of the tasks of a large run are never on the screen, so rows come as they are scrolled to. */
export default function Timeline({ run, graph, selected, onSelect, view, onView }: Props) {
  const clock = useNow();
  const over = instant(run.completedAt);
  const live = over === null;
  // A run that is over does not change with the clock.
  const now = live ? clock : over;
  const zone = zonePreference.use();
  const all = useMemo(
    () => rowsOf(graph.nodes, run.tasks ?? [], instant(run.startedAt ?? run.createdAt), over),
    [graph, run, over],
  );
  const fit = useMemo(() => filterTasks(all, { state: view.state, find: view.find }), [all, view.state, view.find]);
  const attempts = useMemo(() => all.reduce((n, row) => Math.max(n, row.attempts), 0), [all]);
  const one = useMemo(() => onlyAttempt(fit, view.attempt), [fit, view.attempt]);
  const folded = useMemo(() => fold(one), [one]);
  const unfolded = view.group === undefined ? undefined : folded.members.get(view.group);
  const rows = unfolded ?? folded.rows;
  const whole = rangeOf(unfolded ?? one, now);
  const range: Range =
    view.from !== undefined && view.to !== undefined && view.to > view.from ? { from: view.from, to: view.to } : whole;
  const set = (next: Range) => {
    const fits = next.from <= whole.from && next.to >= whole.to;
    onView(fits ? { from: undefined, to: undefined } : { from: Math.floor(next.from), to: Math.ceil(next.to) });
  };
  const zoomed = range !== whole;
  return (
    <div className="gantt">
      {all.length >= filterFrom && (
        <TaskFilterRow
          tasks={all}
          fit={fit.length}
          filter={{ state: view.state, find: view.find }}
          onFilter={(change) => onView({ ...change, group: undefined, from: undefined, to: undefined })}
        />
      )}
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2 border-b border-line px-3 py-2">
        {attempts > 1 && (
          <FilterSelect
            label="Attempt"
            value={view.attempt?.toString()}
            onChange={(a) =>
              onView({ attempt: a === undefined || a === "last" ? a : Number(a), from: undefined, to: undefined })
            }
          >
            <option value="">All attempts</option>
            <option value="last">Last attempt of each task</option>
            {Array.from({ length: Math.min(attempts, 50) }, (_, i) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: the number is what it is
              <option key={i} value={i + 1}>
                Attempt {i + 1}
              </option>
            ))}
          </FilterSelect>
        )}
        <Legend />
        <span className="ml-auto flex">
          <IconButton
            icon={ChevronLeft}
            label="Earlier"
            disabled={!zoomed}
            onClick={() => set(shift(range, -0.5, whole))}
          />
          <IconButton
            icon={ChevronRight}
            label="Later"
            disabled={!zoomed}
            onClick={() => set(shift(range, 0.5, whole))}
          />
          <IconButton icon={Plus} label="Zoom in" onClick={() => set(zoom(range, 0.5, whole))} />
          <IconButton icon={Minus} label="Zoom out" disabled={!zoomed} onClick={() => set(zoom(range, 2, whole))} />
          <IconButton icon={Maximize} label="Show all of it" disabled={!zoomed} onClick={() => set(whole)} />
        </span>
      </div>
      {fit.length > mostRows && (
        <p className="flex flex-wrap items-center gap-2 border-b border-line bg-sunken px-3 py-1.5 text-sm text-muted">
          {unfolded ? (
            <>
              <Button
                size="sm"
                icon={ChevronLeft}
                onClick={() => onView({ group: undefined, from: undefined, to: undefined })}
              >
                All groups
              </Button>
              {view.group}: {count(unfolded.length, "task")}
            </>
          ) : (
            `${count(fit.length, "task")} stand together by their names. Choose a group to see its tasks.`
          )}
        </p>
      )}
      <Axis range={range} zone={zone} />
      <Rows
        rows={rows}
        range={range}
        now={now}
        live={live}
        selected={selected}
        zone={zone}
        onChoose={(row) =>
          row.size > 1 ? onView({ group: row.id, from: undefined, to: undefined }) : onSelect(row.id)
        }
      />
      <p className="border-t border-line px-3 py-1.5 text-sm text-muted">
        {count(rows.length, "row")}, {duration(range.to - range.from)} of {duration(whole.to - whole.from)}, times in{" "}
        {zone === "local" ? `your zone (${localZone()})` : zone}
      </p>
    </div>
  );
}

function Legend() {
  const samples: [Kind, string][] = [
    ["waiting", "waits for others"],
    ["queued", "queued"],
    ["running", "running"],
    ["backoff", "backs off"],
  ];
  return (
    <ul className="flex flex-wrap items-center gap-x-3 text-sm text-muted">
      {samples.map(([kind, word]) => (
        <li key={kind} className="flex items-center gap-1.5">
          <span aria-hidden className="sample tone-run">
            <span className="bar" data-kind={kind} />
          </span>
          {word}
        </li>
      ))}
    </ul>
  );
}
