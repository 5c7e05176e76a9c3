import { count } from "../../lib/format.ts";
import { countStates, type NodeState } from "../../lib/graph-state.ts";
import { FilterSelect, FilterText } from "../../ui/field.tsx";
import { lookOf } from "../../ui/state.tsx";

export interface TaskFilter {
  [key: string]: unknown;
  state?: string | undefined;
  find?: string | undefined;
}

interface Named {
  id: string;
  state: NodeState;
}

/** The tasks in a state, with a text in their names. */
export function filterTasks<T extends Named>(tasks: readonly T[], { state, find }: TaskFilter): T[] {
  const needle = (find ?? "").toLowerCase();
  return tasks.filter((t) => (!state || t.state === state) && (needle === "" || t.id.toLowerCase().includes(needle)));
}

/** Chooses which tasks of a run are shown. */
export function TaskFilterRow({
  tasks,
  fit,
  filter,
  onFilter,
}: {
  tasks: readonly Named[];
  fit: number;
  filter: TaskFilter;
  onFilter: (change: TaskFilter) => void;
}) {
  return (
    <div className="flex flex-wrap gap-2 border-b border-line px-3 py-2">
      <FilterSelect label="State" value={filter.state} onChange={(state) => onFilter({ state })} first>
        <option value="">Any state</option>
        {countStates(tasks).map(([state, n]) => (
          <option key={state} value={state}>
            {lookOf(state).label} ({n})
          </option>
        ))}
      </FilterSelect>
      <FilterText label="Name of the task" value={filter.find} onChange={(find) => onFilter({ find })} />
      <span className="self-center text-sm text-muted">{count(fit, "task")}</span>
    </div>
  );
}
