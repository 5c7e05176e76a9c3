import { CircleArrowUp, CirclePause, CirclePlay, Play, RotateCw, Square, Trash2, Undo2 } from "lucide-react";
import type { ActionResult, FusedWorker } from "../../api/types.ts";
import { type AnyAct, listed } from "../../ui/action.tsx";
import { act, upgrade, type Verb } from "../actions.ts";
import { awayIf } from "../away.ts";
import { cli } from "../cli.ts";
import {
  deleteQuestion,
  disableQuestion,
  restartQuestion,
  rollBackQuestion,
  stopQuestion,
  upgradeQuestion,
} from "./worker-questions.tsx";
import { inFlight, nameOf, verbs } from "./worker-state.ts";

/** The words of the verbs, on buttons and in the list of commands. */
export const verbWords: Record<Verb, string> = {
  start: "Start",
  stop: "Stop",
  restart: "Restart",
  enable: "Enable",
  disable: "Disable",
  delete: "Delete",
};

const done: Record<Verb, string> = {
  start: "was started",
  stop: "was stopped",
  restart: "was restarted",
  enable: "gets work again",
  disable: "gets no more work",
  delete: "was deleted",
};

/** What is done with one worker is done one thing at a time, wherever its buttons stand. */
export const workerScope = (worker: FusedWorker): string => `worker ${worker.id}`;

/** What can be done with a worker as it is now, what is needed most first; what makes no sense is left out. */
export function workerActs(worker: FusedWorker, frozen: boolean): AnyAct[] {
  const name = nameOf(worker);
  const can = verbs(worker);
  const busy = inFlight(worker) > 0;
  const draining = worker.local?.draining === true;
  const of = (verb: Verb, label: string = verbWords[verb]) => ({
    label,
    name: `${label} ${name}`,
    unavailable: awayIf(frozen),
    command: cli(verb, worker.id),
    run: () => act(worker.id, verb),
    done: (result: ActionResult) =>
      result.draining
        ? `${name} is draining. It ends when the run that it has in hand is through.`
        : `${name} ${done[verb]}`,
  });
  const acts: (AnyAct | false | null)[] = [
    can.start !== null && listed({ ...of("start", can.start), doing: "Starting…", icon: Play }),
    can.work === "enable" && listed({ ...of("enable"), doing: "Enabling…", icon: CirclePlay }),
    draining &&
      listed({
        ...of("stop", "Stopping…"),
        icon: Square,
        unavailable: "It finishes the run that it has in hand",
      }),
    can.stop &&
      listed({ ...of("stop"), doing: "Stopping…", icon: Square, confirm: busy ? stopQuestion(worker) : null }),
    can.stop &&
      listed({
        ...of("restart"),
        doing: "Restarting…",
        icon: RotateCw,
        confirm: busy ? restartQuestion(worker) : null,
      }),
    can.work === "disable" &&
      listed({
        ...of("disable"),
        doing: "Disabling…",
        icon: CirclePause,
        confirm: busy ? disableQuestion(worker) : null,
      }),
    upgradeAct(worker, frozen),
    rollBackAct(worker, frozen),
    can.work !== null &&
      listed({ ...of("delete"), doing: "Deleting…", icon: Trash2, variant: "danger", confirm: deleteQuestion(worker) }),
  ];
  return acts.filter((a) => a !== false && a !== null);
}

/** Puts a worker on the newest version; the operation tells how it goes. Null where it is on it, or on the way. */
export function upgradeAct(worker: FusedWorker, frozen: boolean): AnyAct | null {
  const version = worker.latestWorkerVersion;
  if (!worker.versionStale || !version || worker.upgrade) return null;
  const name = nameOf(worker);
  return listed({
    label: "Upgrade",
    name: `Upgrade ${name}`,
    doing: "Upgrading…",
    icon: CircleArrowUp,
    unavailable: awayIf(frozen),
    command: cli("upgrade", worker.id),
    confirm: upgradeQuestion(worker, version),
    run: () => upgrade(worker.id, { version: "latest" }),
    done: (result) =>
      result.unchanged ? `${name} runs the newest version already` : `The upgrade of ${name} has begun`,
  });
}

/** Goes back to the version before; null where there is none. */
export function rollBackAct(worker: FusedWorker, frozen: boolean): AnyAct | null {
  if (worker.previousPin === null || worker.upgrade) return null;
  const name = nameOf(worker);
  return listed({
    label: "Roll back",
    name: `Roll back ${name}`,
    doing: "Rolling back…",
    icon: Undo2,
    unavailable: awayIf(frozen),
    command: cli("upgrade", worker.id, "--rollback"),
    confirm: rollBackQuestion(worker),
    run: () => upgrade(worker.id, { rollback: true }),
    done: `${name} goes back to the version before`,
  });
}
