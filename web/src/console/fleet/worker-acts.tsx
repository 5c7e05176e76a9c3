import { KeyRound, Trash2 } from "lucide-react";
import type { RemoteWorker } from "../../api/types.ts";
import { shellQuote } from "../../lib/format.ts";
import { type AnyAct, listed } from "../../ui/action.tsx";

/** How something is done with a worker: a workspace and the pool have each their own. What is left out is not offered. */
interface Ways {
  enable?: (on: boolean) => Promise<unknown>;
  rotate?: () => Promise<unknown>;
  remove?: () => Promise<unknown>;
  /** The commands that do the same. */
  commands: "workers" | "pool";
}

/** What can be done with a worker, what is needed most first. */
export function workerActs(w: RemoteWorker, name: string, ways: Ways): AnyAct[] {
  const { enable, rotate, remove } = ways;
  const command = (verb: string) => ({ command: `pipeweave ${ways.commands} ${verb} ${shellQuote(w.id)}` });
  const acts: (AnyAct | undefined)[] = [
    enable &&
      listed({
        label: w.disabled ? "Enable" : "Disable",
        doing: w.disabled ? "Enabling…" : "Disabling…",
        name: `${w.disabled ? "Enable" : "Disable"} ${name}`,
        ...command(w.disabled ? "enable" : "disable"),
        run: () => enable(w.disabled),
        done: w.disabled ? `${name} gets work again` : `${name} gets no more work; what it has in hand it finishes`,
      }),
    rotate &&
      listed({
        label: "Ask for a new token",
        doing: "Asking…",
        icon: KeyRound,
        run: rotate,
        done: `${name} was asked to replace its token; it does at its next heartbeat`,
      }),
    remove &&
      listed({
        label: "Delete",
        name: `Delete ${name}`,
        doing: "Deleting…",
        icon: Trash2,
        variant: "danger",
        ...command("delete"),
        confirm: {
          title: `Delete ${name}?`,
          action: "Delete the worker",
          danger: true,
          body: (
            <p>
              Its token is void at once.{" "}
              {w.currentRunId ? "The run in hand runs elsewhere when its lease ends." : "It has no run in hand."} Its
              process goes on until its host stops it, and gets nothing to do.
            </p>
          ),
        },
        run: remove,
        done: `${name} is deleted`,
      }),
  ];
  return acts.filter((a) => a !== undefined);
}
