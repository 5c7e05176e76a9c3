import type { ReactNode } from "react";
import type { FusedWorker } from "../../api/types.ts";
import { count } from "../../lib/format.ts";
import type { Question } from "../../ui/action.tsx";
import { UpgradePlan } from "../upgrades/lazy-plan.tsx";
import { inFlight, nameOf } from "./worker-state.ts";

// What is asked before something is done with a worker. Each says how many runs are in flight and what becomes of them.

function InFlight({ worker, children }: { worker: FusedWorker; children: ReactNode }) {
  const runs = inFlight(worker);
  if (runs === 0) return null;
  return (
    <p>
      {runs === 1 ? "One run is" : `${count(runs, "run")} are`} in flight{worker.currentRunId ? ": " : ". "}
      {worker.currentRunId && <code className="font-mono text-sm">{worker.currentRunId}</code>}{" "}
      <span className="text-muted">{children}</span>
    </p>
  );
}

export const stopQuestion = (worker: FusedWorker): Question => ({
  title: `Stop ${nameOf(worker)}?`,
  action: "Drain and stop",
  danger: true,
  body: (
    <InFlight worker={worker}>
      The worker takes no more work, finishes this run if it can in the time it is given, and then ends. It stays
      stopped until it is started again.
    </InFlight>
  ),
});

export const restartQuestion = (worker: FusedWorker): Question => ({
  title: `Restart ${nameOf(worker)}?`,
  action: "Drain and restart",
  body: (
    <InFlight worker={worker}>
      The worker takes no more work, finishes this run if it can in the time it is given, ends and is started again.
    </InFlight>
  ),
});

export const disableQuestion = (worker: FusedWorker): Question => ({
  title: `Disable ${nameOf(worker)}?`,
  action: "Give it no more work",
  body: (
    <InFlight worker={worker}>
      The run goes on. The process goes on, too, and gets no more work until it is enabled.
    </InFlight>
  ),
});

export const deleteQuestion = (worker: FusedWorker): Question => ({
  title: `Delete ${nameOf(worker)}?`,
  action: "Delete the worker",
  danger: true,
  typed: nameOf(worker),
  body: (
    <>
      <p>
        The control plane forgets this worker and its token, its process is stopped, and this host no longer keeps it.
        The history of its runs stays there. This cannot be taken back; connecting again makes a new worker.
      </p>
      <InFlight worker={worker}>It is finished first.</InFlight>
    </>
  ),
});

export const upgradeQuestion = (worker: FusedWorker, version: string): Question => ({
  title: `Upgrade ${nameOf(worker)}?`,
  action: `Upgrade to ${version}`,
  body: (
    <>
      <p>
        From {worker.workerVersion ?? "a version that is not known"} to <strong>{version}</strong>. The new version is
        fetched and checked first; then the worker starts from it and has to prove itself, or everything is put back as
        it was.
      </p>
      <UpgradePlan wanted={{ worker: worker.id, version: "latest" }} />
      <InFlight worker={worker}>It is finished before the worker changes.</InFlight>
    </>
  ),
});

export const rollBackQuestion = (worker: FusedWorker): Question => ({
  title: `Roll back ${nameOf(worker)}?`,
  action: worker.previousPin ? `Go back to ${worker.previousPin}` : "Go back",
  body: (
    <>
      <p>
        The worker goes back to {worker.previousPin || "the program that the host has for all workers"}. It has to prove
        itself like an upgrade.
      </p>
      <UpgradePlan wanted={{ worker: worker.id, rollback: true }} />
      <InFlight worker={worker}>It is finished before the worker changes.</InFlight>
    </>
  ),
});
