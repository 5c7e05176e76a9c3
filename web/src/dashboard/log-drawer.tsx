import { useMemo, useState } from "react";
import type { FusedWorker } from "../api/types.ts";
import { LogViewer, type Picked } from "../log/viewer.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { StateBadge } from "../ui/state.tsx";
import { workerLog } from "./worker-log.ts";
import { localWord, nameOf } from "./worker-state.ts";

/** The log of one worker: all that is held of it, and live. */
export function LogDrawer({ worker, onClose }: { worker: FusedWorker; onClose: () => void }) {
  const name = nameOf(worker);
  const source = useMemo(() => workerLog(worker.id, name), [worker.id, name]);
  const [picked, setPicked] = useState<Picked | null>(null);
  return (
    <Dialog
      kind="drawer"
      title={`Log of ${name}`}
      onClose={onClose}
      aside={<StateBadge state={localWord(worker.local)} />}
    >
      <LogViewer
        source={source}
        label={`Log lines of ${name}`}
        marks={[
          ["out", "stdout"],
          ["err", "stderr"],
        ]}
        picked={picked}
        onPick={setPicked}
        className="flex-1"
      />
    </Dialog>
  );
}
