import { useMutation, useQuery } from "@tanstack/react-query";
import { RotateCcw, TriangleAlert } from "lucide-react";
import type { RunDetail } from "../../api/types.ts";
import { count, shellQuote } from "../../lib/format.ts";
import { FormDialog } from "../../ui/form-dialog.tsx";
import { Awaited } from "../../ui/panel.tsx";
import { toast } from "../../ui/toast.tsx";
import { replayQuery, replayRun } from "../queries/runs.ts";

const shown = 20;

/** Says what a replay would run again, and runs it. */
export function ReplayDialog({ run, onClose }: { run: RunDetail; onClose: () => void }) {
  const plan = useQuery(replayQuery(run.id));
  const replay = useMutation({
    mutationFn: () => replayRun(run.id),
    onSuccess: (did) => {
      toast("ok", `The run goes on with ${count((did.queued ?? []).length, "task")}`);
      onClose();
    },
  });
  const queued = plan.data?.queued ?? [];
  const later = plan.data?.later ?? [];
  return (
    <FormDialog
      title="Replay what broke"
      action="Replay"
      icon={RotateCcw}
      pending={replay.isPending}
      held={!plan.data}
      onSubmit={replay.mutate}
      onClose={onClose}
      refused="The run was not replayed"
      error={replay.error}
      command={`pipeweave replay ${shellQuote(run.id)}`}
    >
      {plan.data ? (
        <>
          <TaskNames title={`${count(queued.length, "task")} will run at once`} tasks={queued} />
          {later.length > 0 && (
            <TaskNames title={`${count(later.length, "task")} will run again after those`} tasks={later} />
          )}
          <p className="text-muted">
            {count(plan.data.kept, "task")} completed and {plan.data.kept === 1 ? "stays" : "stay"} as{" "}
            {plan.data.kept === 1 ? "it is" : "they are"}. The run keeps its id, its input and its graph; the tasks run
            with the code that is registered now.
          </p>
          <p className="tone-warn tint flex items-start gap-2 rounded-md border p-2.5">
            <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0" />
            <span className="text-text">
              A task that failed may have done part of its work. What it does again should do no harm twice: sending,
              paying, writing over.
            </span>
          </p>
        </>
      ) : (
        <Awaited query={plan} what="It cannot be replayed now" lines={4} />
      )}
    </FormDialog>
  );
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
