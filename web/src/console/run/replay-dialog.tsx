import { type UseQueryResult, useMutation, useQuery } from "@tanstack/react-query";
import { RotateCcw, TriangleAlert } from "lucide-react";
import { useState } from "react";
import type { Replay, RunDetail } from "../../api/types.ts";
import { count, shellQuote } from "../../lib/format.ts";
import { SelectField } from "../../ui/field.tsx";
import { FormDialog } from "../../ui/form-dialog.tsx";
import { Awaited } from "../../ui/panel.tsx";
import { toast } from "../../ui/toast.tsx";
import { retryTaskRun } from "../queries/dlq.ts";
import { replayQuery, replayRun } from "../queries/runs.ts";

const shown = 20;

type Mode = "broken" | "task" | "start";

/** Asks what of a run is to run again, says what that would be, and does it. */
export function ReplayDialog({ run, onStart, onClose }: { run: RunDetail; onStart: () => void; onClose: () => void }) {
  const failed = (run.tasks ?? []).filter((t) => (t.status === "failed" || t.status === "timeout") && !t.supersededBy);
  const [mode, setMode] = useState<Mode>("broken");
  const [chosen, setChosen] = useState(failed[0]?.id ?? "");
  const one = failed.find((t) => t.id === chosen);
  const plan = useQuery(replayQuery(run.id));
  const go = useMutation({
    mutationFn: async () => {
      if (mode === "task" && one) await retryTaskRun(run.id, one.id);
      else await replayRun(run.id);
    },
    onSuccess: () => {
      toast("ok", mode === "task" ? `The run goes on with ${one?.taskId}` : "The run goes on");
      onClose();
    },
  });
  const tasks = Object.keys(run.structureSnapshot ?? {}).length;
  const command =
    mode === "broken"
      ? `pipeweave replay ${shellQuote(run.id)}`
      : mode === "task"
        ? `pipeweave dlq retry ${shellQuote(one?.id ?? "ID")}`
        : undefined;
  return (
    <FormDialog
      title="Replay what broke"
      action={mode === "start" ? "Go on to the input" : "Replay"}
      icon={RotateCcw}
      pending={go.isPending}
      held={mode === "broken" ? !plan.data : mode === "task" && !one}
      onSubmit={() => (mode === "start" ? onStart() : go.mutate())}
      onClose={onClose}
      refused="The run was not replayed"
      error={go.error}
      command={command}
    >
      <fieldset className="space-y-1">
        <legend className="mb-1 font-medium">What runs again</legend>
        <Choice mode="broken" value={mode} onChange={setMode} label="All that failed, and what waits for it" />
        {failed.length > 1 && (
          <Choice mode="task" value={mode} onChange={setMode} label="One task that failed, and what waits for it" />
        )}
        <Choice mode="start" value={mode} onChange={setMode} label="Everything, from the start, as a new run" />
      </fieldset>
      {mode === "broken" ? <Plan plan={plan} /> : null}
      {mode === "task" && (
        <>
          <SelectField label="Task" value={chosen} onChange={(e) => setChosen(e.target.value)}>
            {failed.slice(0, mostOptions).map((t) => (
              <option key={t.id} value={t.id}>
                {t.taskId}
              </option>
            ))}
          </SelectField>
          {one && (
            <p className="text-muted">
              1 task will run at once, and {count(behind(run, one.taskId), "task")} may follow when nothing else they
              need is broken. The others that failed stay as they are.
            </p>
          )}
        </>
      )}
      {mode === "start" && (
        <p className="text-muted">
          A new run of {count(tasks, "task")} begins, with the input of this one, as it was or edited. This run stays as
          it is.
        </p>
      )}
      <p className="tone-warn tint flex items-start gap-2 rounded-md border p-2.5">
        <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0" />
        <span className="text-text">
          A task that failed may have done part of its work. What it does again should do no harm twice: sending,
          paying, writing over. Tasks run with the code that is registered now.
        </span>
      </p>
    </FormDialog>
  );
}

// More of them are chosen on the page of the dead letters.
const mostOptions = 500;

function Choice({
  mode,
  value,
  label,
  onChange,
}: {
  mode: Mode;
  value: Mode;
  label: string;
  onChange: (mode: Mode) => void;
}) {
  return (
    <label className="flex min-h-6 items-center gap-2">
      <input
        type="radio"
        name="what"
        className="size-4 accent-accent"
        checked={mode === value}
        onChange={() => onChange(mode)}
      />
      {label}
    </label>
  );
}

/** What a replay would do, as the server says. */
function Plan({ plan }: { plan: UseQueryResult<Replay> }) {
  if (!plan.data) return <Awaited query={plan} what="It cannot be replayed now" lines={4} />;
  const queued = plan.data.queued ?? [];
  const later = plan.data.later ?? [];
  const { kept } = plan.data;
  return (
    <>
      <TaskNames title={`${count(queued.length, "task")} will run at once`} tasks={queued} />
      {later.length > 0 && (
        <TaskNames title={`${count(later.length, "task")} will run again after those`} tasks={later} />
      )}
      <p className="text-muted">
        {count(kept, "task")} completed and {kept === 1 ? "stays as it is" : "stay as they are"}. The run keeps its id,
        its input and its graph.
      </p>
    </>
  );
}

/** How many tasks come behind one, over any number of steps. */
export function behind(run: RunDetail, task: string): number {
  const seen = new Set([task]);
  for (const id of seen) for (const next of run.structureSnapshot?.[id]?.allowedNext ?? []) seen.add(next);
  return seen.size - 1;
}

function TaskNames({ title, tasks }: { title: string; tasks: string[] }) {
  return (
    <div>
      <h3 className="font-medium">{title}</h3>
      <ul className="mt-1 max-h-40 list-inside list-disc overflow-y-auto text-muted">
        {tasks.slice(0, shown).map((task) => (
          <li key={task}>{task}</li>
        ))}
        {tasks.length > shown && <li>{count(tasks.length - shown, "more")}</li>}
      </ul>
    </div>
  );
}
