import { useMutation } from "@tanstack/react-query";
import { CircleAlert, CirclePause, CirclePlay, Play, ScrollText, Square, Trash2 } from "lucide-react";
import { type FormEvent, useState } from "react";
import type { FusedWorker } from "../api/types.ts";
import { Button, IconButton } from "../ui/button.tsx";
import { Confirm, Dialog } from "../ui/dialog.tsx";
import { describe, toast } from "../ui/toast.tsx";
import { act, type Verb } from "./daemon.ts";
import { nameOf, verbs } from "./worker-state.ts";

const done: Record<Verb, string> = {
  start: "was started",
  stop: "was stopped",
  enable: "gets work again",
  disable: "gets no more work",
  delete: "was deleted",
};
const refused: Record<Verb, string> = {
  start: "It could not be started.",
  stop: "It could not be stopped.",
  enable: "It could not be enabled.",
  disable: "It could not be disabled.",
  delete: "It could not be deleted.",
};

interface Props {
  worker: FusedWorker;
  /** The daemon is away, so nothing can be asked of it. */
  frozen: boolean;
  onLogs: (id: string) => void;
}

/** What can be done with a worker, one thing at a time; and what came of the last one, if it failed. */
export function WorkerActions({ worker, frozen, onLogs }: Props) {
  const [asking, setAsking] = useState<"stop" | "delete" | null>(null);
  const name = nameOf(worker);
  const action = useMutation({
    mutationFn: (verb: Verb) => act(worker.id, verb),
    onSuccess: (result, verb) =>
      result.draining
        ? toast("info", `${name} is draining`, "It ends when the run that it has in hand is through.")
        : toast("ok", `${name} ${done[verb]}`),
  });
  const can = verbs(worker);
  const doing = action.isPending ? action.variables : null;
  const draining = worker.local?.draining === true;
  const busy = frozen || doing !== null;
  return (
    <div className="space-y-1.5 max-sm:pt-1">
      <div className="flex flex-wrap items-center gap-1.5 sm:justify-end">
        {(can.start || doing === "start") && (
          <Button
            size="sm"
            icon={Play}
            pending={doing === "start"}
            disabled={busy}
            onClick={() => action.mutate("start")}
            aria-label={`Start ${name}`}
          >
            {doing === "start" ? "Starting…" : (can.start ?? "Start")}
          </Button>
        )}
        {(can.stop || doing === "stop" || draining) && (
          <Button
            size="sm"
            icon={Square}
            pending={doing === "stop" || draining}
            disabled={busy}
            onClick={() => (inFlight(worker) ? setAsking("stop") : action.mutate("stop"))}
            aria-label={`Stop ${name}`}
          >
            {doing === "stop" || draining ? "Stopping…" : "Stop"}
          </Button>
        )}
        {can.work && (
          <Button
            size="sm"
            icon={can.work === "enable" ? CirclePlay : CirclePause}
            pending={doing === "enable" || doing === "disable"}
            disabled={busy}
            onClick={() => can.work && action.mutate(can.work)}
            aria-label={`${can.work === "enable" ? "Enable" : "Disable"} ${name}`}
            title={
              can.work === "enable" ? "Give it work again" : "Give it no more work; what it has in hand it finishes"
            }
          >
            {doing === "enable"
              ? "Enabling…"
              : doing === "disable"
                ? "Disabling…"
                : can.work === "enable"
                  ? "Enable"
                  : "Disable"}
          </Button>
        )}
        <Button size="sm" icon={ScrollText} onClick={() => onLogs(worker.id)} aria-label={`Logs of ${name}`}>
          Logs
        </Button>
        {doing === "delete" ? (
          <Button size="sm" pending>
            Deleting…
          </Button>
        ) : (
          can.work && (
            <IconButton icon={Trash2} label={`Delete ${name}`} disabled={busy} onClick={() => setAsking("delete")} />
          )
        )}
      </div>
      {action.isError && (
        <p role="alert" className="flex max-w-md items-start gap-1.5 text-left text-sm text-bad sm:ml-auto">
          <CircleAlert aria-hidden className="mt-0.5 size-4 shrink-0" />
          <span>
            <strong className="font-semibold">{refused[action.variables]}</strong> {describe(action.error)}
          </span>
        </p>
      )}
      {asking === "stop" && (
        <Confirm
          title={`Stop ${name}?`}
          action="Drain and stop"
          danger
          onClose={() => setAsking(null)}
          onConfirm={() => action.mutate("stop")}
        >
          <p>
            One run is in flight{worker.currentRunId ? ":" : "."}
            {worker.currentRunId && <code className="mt-1 block font-mono text-sm">{worker.currentRunId}</code>}
          </p>
          <p className="text-muted">
            The worker takes no more work, finishes this run if it can in the time it is given, and then ends. It stays
            stopped until it is started again.
          </p>
        </Confirm>
      )}
      {asking === "delete" && (
        <DeleteDialog worker={worker} onClose={() => setAsking(null)} onConfirm={() => action.mutate("delete")} />
      )}
    </div>
  );
}

const inFlight = (worker: FusedWorker) => worker.busy || worker.currentRunId !== null;

/** Deleting cannot be taken back, so it wants the name typed. */
function DeleteDialog({
  worker,
  onClose,
  onConfirm,
}: {
  worker: FusedWorker;
  onClose: () => void;
  onConfirm: () => void;
}) {
  const name = nameOf(worker);
  const [typed, setTyped] = useState("");
  const right = typed.trim() === name.trim();
  const submit = (e: FormEvent) => {
    e.preventDefault();
    if (!right) return;
    onClose();
    onConfirm();
  };
  return (
    <Dialog title={`Delete ${name}?`} onClose={onClose}>
      <form onSubmit={submit}>
        <div className="space-y-3 overflow-y-auto px-4 py-4">
          <p>
            The control plane forgets this worker and its token, its process is stopped
            {inFlight(worker) ? " once the run that it has in hand is through" : ""}, and this host no longer keeps it.
            This cannot be taken back; connecting again makes a new worker.
          </p>
          <label className="block space-y-1.5">
            <span className="block">
              To go on, type its name: <strong className="font-semibold">{name}</strong>
            </span>
            <input
              data-autofocus
              className="field w-full"
              autoComplete="off"
              spellCheck={false}
              value={typed}
              onChange={(e) => setTyped(e.target.value)}
            />
          </label>
        </div>
        <footer className="flex justify-end gap-2 border-t border-line px-4 py-3">
          <Button onClick={onClose}>Keep it</Button>
          <Button type="submit" variant="danger" icon={Trash2} disabled={!right}>
            Delete the worker
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}
