import {
  CircleArrowUp,
  CirclePause,
  CirclePlay,
  Play,
  RotateCw,
  ScrollText,
  Square,
  Terminal,
  Trash2,
  Undo2,
} from "lucide-react";
import type { ReactNode } from "react";
import type { ActionResult, FusedWorker } from "../../api/types.ts";
import { count } from "../../lib/format.ts";
import { Action, type Question } from "../../ui/action.tsx";
import { copyText } from "../../ui/copy.tsx";
import { Menu } from "../../ui/menu.tsx";
import { announce } from "../../ui/toast.tsx";
import { act, upgrade, type Verb } from "../actions.ts";
import { cli } from "../cli.ts";
import { workerHref } from "../places.ts";
import { UpgradePlan } from "../upgrades/lazy-plan.tsx";
import { inFlight, nameOf, verbs } from "./worker-state.ts";

interface Props {
  worker: FusedWorker;
  /** The daemon is away, so nothing can be asked of it. */
  frozen: boolean;
  /** In a row of the table there is room for the most needed ones. */
  compact?: boolean;
}

const done: Record<Verb, string> = {
  start: "was started",
  stop: "was stopped",
  restart: "was restarted",
  enable: "gets work again",
  disable: "gets no more work",
  delete: "was deleted",
};

const away = "The daemon does not answer at the moment";

/** What can be done with a worker, one thing at a time; what came of it stands beside its button. */
export function WorkerActions({ worker, frozen, compact = false }: Props) {
  const name = nameOf(worker);
  const can = verbs(worker);
  const runs = inFlight(worker);
  const draining = worker.local?.draining === true;
  const common = (verb: Verb, label: string = words[verb]) => ({
    label,
    name: `${label} ${name}`,
    scope: `worker ${worker.id}`,
    unavailable: frozen ? away : undefined,

    command: cli(verb, worker.id),
    run: () => act(worker.id, verb),
    done: (result: ActionResult) =>
      result.draining
        ? `${name} is draining. It ends when the run that it has in hand is through.`
        : `${name} ${done[verb]}`,
  });
  return (
    <div className="flex flex-wrap items-start gap-1.5 stacked:pt-1">
      {can.start && <Action {...common("start", can.start)} doing="Starting…" icon={Play} />}
      {(can.stop || draining) && (
        <Action
          {...common("stop", draining ? "Stopping…" : "Stop")}
          doing="Stopping…"
          icon={Square}
          {...(draining ? { unavailable: "It finishes the run that it has in hand" } : {})}
          confirm={runs > 0 ? stopQuestion(worker) : null}
        />
      )}
      {!compact && can.stop && (
        <Action
          {...common("restart")}
          doing="Restarting…"
          icon={RotateCw}
          confirm={runs > 0 ? restartQuestion(worker) : null}
        />
      )}
      {can.work === "enable" && <Action {...common("enable")} doing="Enabling…" icon={CirclePlay} />}
      {can.work === "disable" && (
        <Action
          {...common("disable")}
          doing="Disabling…"
          icon={CirclePause}
          confirm={runs > 0 ? disableQuestion(worker) : null}
        />
      )}
      {worker.versionStale && worker.latestWorkerVersion && !worker.upgrade && (
        <UpgradeAction worker={worker} frozen={frozen} version={worker.latestWorkerVersion} />
      )}
      {!compact && worker.previousPin !== null && !worker.upgrade && <RollBackAction worker={worker} frozen={frozen} />}
      {compact && (
        <a
          href={workerHref(worker.id, "log")}
          aria-label={`Log of ${name}`}
          className="inline-flex min-h-7 items-center gap-1.5 rounded-md border border-outline bg-surface px-2 text-sm font-medium hover:bg-sunken"
        >
          <ScrollText aria-hidden className="size-4 shrink-0" />
          Log
        </a>
      )}
      {can.work && (
        <Action
          {...common("delete")}
          doing="Deleting…"
          icon={Trash2}
          iconOnly={compact}
          variant={compact ? "ghost" : "danger"}
          confirm={deleteQuestion(worker)}
        />
      )}
      {!compact && <ShellMenu worker={worker} />}
    </div>
  );
}

const words: Record<Verb, string> = {
  start: "Start",
  stop: "Stop",
  restart: "Restart",
  enable: "Enable",
  disable: "Disable",
  delete: "Delete",
};

/** Puts a worker on the newest version; the operation tells how it goes. */
export function UpgradeAction({ worker, frozen, version }: { worker: FusedWorker; frozen: boolean; version: string }) {
  const name = nameOf(worker);
  return (
    <Action
      label="Upgrade"
      name={`Upgrade ${name}`}
      doing="Upgrading…"
      icon={CircleArrowUp}
      scope={`worker ${worker.id}`}
      unavailable={frozen ? away : undefined}
      command={cli("upgrade", worker.id)}
      confirm={{
        title: `Upgrade ${name}?`,
        action: `Upgrade to ${version}`,
        body: (
          <>
            <p>
              From {worker.workerVersion ?? "a version that is not known"} to <strong>{version}</strong>. The new
              version is fetched and checked first; then the worker starts from it and has to prove itself, or
              everything is put back as it was.
            </p>
            <UpgradePlan wanted={{ worker: worker.id, version: "latest" }} />
            <InFlight worker={worker}>It is finished before the worker changes.</InFlight>
          </>
        ),
      }}
      run={() => upgrade(worker.id, { version: "latest" })}
      done={(result) =>
        result.unchanged ? `${name} runs the newest version already` : `The upgrade of ${name} has begun`
      }
    />
  );
}

/** Goes back to the version before. */
export function RollBackAction({ worker, frozen }: { worker: FusedWorker; frozen: boolean }) {
  const name = nameOf(worker);
  const former = worker.previousPin || "the program that the host has for all workers";
  return (
    <Action
      label="Roll back"
      name={`Roll back ${name}`}
      doing="Rolling back…"
      icon={Undo2}
      scope={`worker ${worker.id}`}
      unavailable={frozen ? away : undefined}
      command={cli("upgrade", worker.id, "--rollback")}
      confirm={{
        title: `Roll back ${name}?`,
        action: worker.previousPin ? `Go back to ${worker.previousPin}` : "Go back",
        body: (
          <>
            <p>The worker goes back to {former}. It has to prove itself like an upgrade.</p>
            <UpgradePlan wanted={{ worker: worker.id, rollback: true }} />
            <InFlight worker={worker}>It is finished before the worker changes.</InFlight>
          </>
        ),
      }}
      run={() => upgrade(worker.id, { rollback: true })}
      done={`${name} goes back to the version before`}
    />
  );
}

function ShellMenu({ worker }: { worker: FusedWorker }) {
  const copy = (label: string, command: string) => ({
    label,
    note: command,
    run: () => void copyText(command).then((ok) => announce(ok ? "Copied" : "Could not copy; select the text instead")),
  });
  const all: Verb[] = ["start", "stop", "restart", "enable", "disable", "delete"];
  return (
    <Menu
      label="Commands to copy"
      icon={Terminal}
      items={[
        copy("Show", cli("workers", "show", worker.id)),
        ...all.map((verb) => copy(words[verb], cli(verb, worker.id))),
        copy("Upgrade", cli("upgrade", worker.id)),
        copy("Read the log", cli("logs", worker.id, "-f")),
      ]}
    >
      Commands
    </Menu>
  );
}

/** Which runs are in flight, when there are any, and what becomes of them. */
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

const stopQuestion = (worker: FusedWorker): Question => ({
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

const restartQuestion = (worker: FusedWorker): Question => ({
  title: `Restart ${nameOf(worker)}?`,
  action: "Drain and restart",
  body: (
    <InFlight worker={worker}>
      The worker takes no more work, finishes this run if it can in the time it is given, ends and is started again.
    </InFlight>
  ),
});

const disableQuestion = (worker: FusedWorker): Question => ({
  title: `Disable ${nameOf(worker)}?`,
  action: "Give it no more work",
  body: (
    <InFlight worker={worker}>
      The run goes on. The process goes on, too, and gets no more work until it is enabled.
    </InFlight>
  ),
});

const deleteQuestion = (worker: FusedWorker): Question => ({
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
