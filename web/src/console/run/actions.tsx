import { Ban, Play, RotateCcw } from "lucide-react";
import { useState } from "react";
import type { RunDetail } from "../../api/types.ts";
import { shellQuote } from "../../lib/format.ts";
import { Action } from "../../ui/action.tsx";
import { Button } from "../../ui/button.tsx";
import { useMayChange } from "../gate.tsx";
import { cancelRun, ended } from "../queries/runs.ts";
import { TriggerDialog } from "../trigger/dialog.tsx";
import { ReplayDialog } from "./replay-dialog.tsx";

/** What can be done with a run in the state it is in; nothing for who may only look. */
export function RunActions({ run }: { run: RunDetail }) {
  const may = useMayChange();
  const [replaying, setReplaying] = useState(false);
  const [again, setAgain] = useState(false);
  if (!may) return null;
  const over = ended(run.status);
  return (
    <>
      {!over && (
        <Action
          label="Cancel"
          doing="Cancelling…"
          size="md"
          icon={Ban}
          command={`pipeweave cancel ${shellQuote(run.id)}`}
          confirm={{
            title: "Cancel this run?",
            action: "Cancel the run",
            danger: true,
            body: (
              <p>
                Tasks that wait never start, and tasks that run are asked to stop. What they have stored so far stays.
              </p>
            ),
          }}
          run={() => cancelRun(run.id)}
          done="The run is being cancelled"
        />
      )}
      {["failed", "partial", "cancelled"].includes(run.status) && (
        <Button variant="primary" icon={RotateCcw} onClick={() => setReplaying(true)}>
          Replay what broke
        </Button>
      )}
      {over && (
        <Button icon={Play} onClick={() => setAgain(true)}>
          Run again
        </Button>
      )}
      {replaying && (
        <ReplayDialog
          run={run}
          onStart={() => {
            setReplaying(false);
            setAgain(true);
          }}
          onClose={() => setReplaying(false)}
        />
      )}
      {again && <TriggerDialog pipeline={run.pipelineId} inputPath={run.inputPath} onClose={() => setAgain(false)} />}
    </>
  );
}
