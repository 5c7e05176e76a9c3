import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Play, Wrench } from "lucide-react";
import { useState } from "react";
import type { Maintenance } from "../../api/types.ts";
import { count, shellQuote } from "../../lib/format.ts";
import { Action } from "../../ui/action.tsx";
import { Button } from "../../ui/button.tsx";
import { TextField } from "../../ui/field.tsx";
import { FormDialog } from "../../ui/form-dialog.tsx";
import { Awaited, Facts, Panel } from "../../ui/panel.tsx";
import { StateBadge } from "../../ui/state.tsx";
import { Ago, Elapsed } from "../../ui/time.tsx";
import { toast } from "../../ui/toast.tsx";
import { useMay, useMayChange } from "../gate.tsx";
import { maintenanceQuery, moveMaintenance } from "../queries/maintenance.ts";
import { queueItemsQuery } from "../queries/queue.ts";

/** The maintenance mode: what it is, who asked for it and why, what it waits for; in and out of it. */
export function MaintenancePanel() {
  const mode = useQuery(maintenanceQuery);
  const may = useMayChange();
  const [asking, setAsking] = useState(false);
  const m = mode.data;
  return (
    <div id="maintenance" className="space-y-4">
      <Panel
        title="Maintenance"
        aside={
          m &&
          may &&
          (m.mode === "running" ? (
            <Button size="sm" icon={Wrench} onClick={() => setAsking(true)}>
              Ask for maintenance
            </Button>
          ) : (
            <Action
              label={m.mode === "maintenance" ? "End maintenance" : "Take the request back"}
              doing="Ending…"
              icon={Play}
              command="pipeweave maintenance exit"
              confirm={{
                title: m.mode === "maintenance" ? "End maintenance?" : "Take the request back?",
                action: "Accept work again",
                body: <p>Runs can be started again at once, from here and by every program.</p>,
              }}
              run={() => moveMaintenance("exit")}
              done="Work is accepted again"
            />
          ))
        }
      >
        {m ? <Mode m={m} /> : <Awaited query={mode} what="The maintenance mode could not be read" lines={2} />}
      </Panel>
      {asking && <AskDialog tasks={(m?.pendingTasks ?? 0) + (m?.runningTasks ?? 0)} onClose={() => setAsking(false)} />}
    </div>
  );
}

const words: Record<string, string> = {
  running:
    "Work is accepted. In maintenance nothing new starts and what there is has ended, so that the installation can be changed.",
  waiting_for_maintenance:
    "Nothing new is accepted. What there is goes on, retries and following tasks included; when nothing is left, maintenance begins by itself.",
  maintenance:
    "Nothing is left to do, and nothing new is accepted, until maintenance is ended here or from a terminal.",
};

function Mode({ m }: { m: Maintenance }) {
  const audits = useMay("admin");
  const left = m.pendingTasks + m.runningTasks;
  return (
    <div className="space-y-3 p-3">
      <p className="flex flex-wrap items-center gap-2">
        <StateBadge state={m.mode} />
        <span className="text-muted">{words[m.mode] ?? m.message}</span>
      </p>
      {m.mode !== "running" && (
        <Facts
          items={[
            ["Asked for by", m.by || "not recorded"],
            [
              "Why",
              <span key="w" className="wrap-anywhere">
                {m.reason || "no reason given"}
              </span>,
            ],
            ["Since", <Ago key="s" at={m.modeChangedAt} />],
          ]}
        />
      )}
      {m.mode === "waiting_for_maintenance" && (
        <section aria-label="What maintenance waits for" className="space-y-1.5">
          <h3 className="font-medium">
            Waits for {count(left, "task run")}: {m.runningTasks} running, {m.pendingTasks} queued
          </h3>
          <Longest />
          {m.pendingTasks > 0 && (
            <p className="text-sm text-muted">
              Retries and schedules far ahead count too.{" "}
              <Link to="/queue" search={{ status: "pending" }} className="link">
                See what is queued
              </Link>
            </p>
          )}
        </section>
      )}
      {audits && (
        <Link to="/audit" search={{ action: "maintenance" }} className="link text-sm">
          Who asked for it before
        </Link>
      )}
    </div>
  );
}

/** Some of those that run, to see what it hangs on. */
function Longest() {
  const running = useQuery(queueItemsQuery({ status: "running", limit: 5 }));
  if (!running.data?.items.length) return null;
  return (
    <ul className="divide-y divide-line rounded-md border border-line">
      {running.data.items.map((item) => (
        <li key={item.runId} className="flex flex-wrap items-center gap-x-3 px-2.5 py-1.5 text-sm">
          <span className="min-w-0 flex-1 wrap-anywhere">
            {item.pipelineRunId ? (
              <Link to="/runs/$id" params={{ id: item.pipelineRunId }} search={{ task: item.taskId }} className="link">
                {item.taskId}
              </Link>
            ) : (
              item.taskId
            )}
          </span>
          <span className="text-muted">
            running for <Elapsed start={item.startedAt} end={null} />
          </span>
        </li>
      ))}
    </ul>
  );
}

function AskDialog({ tasks, onClose }: { tasks: number; onClose: () => void }) {
  const [reason, setReason] = useState("");
  const ask = useMutation({
    mutationFn: () => moveMaintenance("request", reason.trim()),
    onSuccess: (m) => {
      toast("ok", m.mode === "maintenance" ? "Maintenance has begun" : "No new work is accepted from now on");
      onClose();
    },
  });
  return (
    <FormDialog
      title="Ask for maintenance"
      action="Accept no more work"
      doing="Asking…"
      icon={Wrench}
      danger
      pending={ask.isPending}
      onSubmit={() => ask.mutate()}
      onClose={onClose}
      refused="Maintenance was not asked for"
      error={ask.error}
      command={`pipeweave maintenance request${reason.trim() ? ` --reason ${shellQuote(reason.trim())}` : ""} --wait`}
    >
      <p>
        From now on every attempt to start a run is refused.{" "}
        {tasks === 0
          ? "Nothing is left to do"
          : `${count(tasks, "task run")} still ${tasks === 1 ? "has" : "have"} to end`}
        {tasks === 0 ? ", so maintenance begins at once." : "; maintenance begins by itself after that."}
      </p>
      <TextField
        label="Why"
        optional
        hint="Everybody reads it on every page until it is over."
        maxLength={500}
        value={reason}
        onChange={(e) => setReason(e.target.value)}
      />
    </FormDialog>
  );
}
