import { Terminal } from "lucide-react";
import type { FusedWorker } from "../../api/types.ts";
import { ActButton, RowActions } from "../../ui/action.tsx";
import { copyAloud } from "../../ui/copy.tsx";
import { Menu } from "../../ui/menu.tsx";
import type { Verb } from "../actions.ts";
import { cli } from "../cli.ts";
import { verbWords, workerActs, workerScope } from "./worker-acts.tsx";
import { nameOf } from "./worker-state.ts";

interface Props {
  worker: FusedWorker;
  /** The daemon is away, so nothing can be asked of it. */
  frozen: boolean;
}

/** What can be done with a worker, one thing at a time; what came of it stands beside its button. */
export function WorkerActions({ worker, frozen }: Props) {
  return (
    <div className="flex flex-wrap items-start gap-1.5">
      {workerActs(worker, frozen).map((act) => (
        <ActButton key={act.label} act={act} scope={workerScope(worker)} />
      ))}
      <ShellMenu worker={worker} />
    </div>
  );
}

/** The same in a row of the table: what is needed most, and a menu of the rest. */
export function WorkerRowActions({ worker, frozen }: Props) {
  return <RowActions of={nameOf(worker)} acts={workerActs(worker, frozen)} scope={workerScope(worker)} />;
}

function ShellMenu({ worker }: { worker: FusedWorker }) {
  const copy = (label: string, command: string) => ({
    label,
    note: command,
    run: () => void copyAloud(command),
  });
  return (
    <Menu
      label="Commands to copy"
      icon={Terminal}
      items={[
        copy("Show", cli("workers", "show", worker.id)),
        ...(Object.keys(verbWords) as Verb[]).map((verb) => copy(verbWords[verb], cli(verb, worker.id))),
        copy("Upgrade", cli("upgrade", worker.id)),
        copy("Read the log", cli("logs", worker.id, "-f")),
      ]}
    >
      Commands
    </Menu>
  );
}
