import type { GraphNode, GraphState } from "../../lib/graph-state.ts";
import { SelectField, TextField } from "../../ui/field.tsx";
import { lookOf } from "../../ui/state.tsx";

const mostOptions = 500;

/** The task a panel is about: the one that was chosen, else the one that says most. */
export function taskOf(graph: GraphState, chosen: string | undefined): GraphNode | undefined {
  const begun = graph.nodes.filter((n) => n.run);
  return (
    graph.nodes.find((n) => n.id === chosen) ??
    begun.find((n) => n.state === "failed" || n.state === "timeout") ??
    begun.find((n) => n.state === "running") ??
    begun.at(-1)
  );
}

/** Chooses one of the tasks of a run; where there are very many, by typing its name. */
export function ChooseTask({
  graph,
  value,
  onChange,
}: {
  graph: GraphState;
  value: string;
  onChange: (task: string) => void;
}) {
  if (graph.nodes.length > mostOptions)
    return (
      <TextField
        key={value}
        label="Task"
        hint={`${graph.nodes.length} tasks: type a name and press Enter.`}
        defaultValue={value}
        spellCheck={false}
        onKeyDown={(e) => {
          if (e.key === "Enter") onChange(e.currentTarget.value.trim());
        }}
      />
    );
  return (
    <SelectField label="Task" className="max-w-72" value={value} onChange={(e) => onChange(e.target.value)}>
      {graph.nodes.map((n) => (
        <option key={n.id} value={n.id}>
          {n.id} ({lookOf(n.state).label.toLowerCase()})
        </option>
      ))}
    </SelectField>
  );
}
