import { KeyRound, Settings2 } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import type { FusedWorker, WorkerSettings } from "../../api/types.ts";
import { bytes, count, none } from "../../lib/format.ts";
import { CopyCommand } from "../../ui/action.tsx";
import { Button } from "../../ui/button.tsx";
import { Facts, Panel } from "../../ui/panel.tsx";
import { cli } from "../cli.ts";
import { authModeText, writeDuration } from "./settings-form.ts";

const SettingsDialog = lazy(async () => ({ default: (await import("./settings-dialog.tsx")).SettingsDialog }));

interface Props {
  worker: FusedWorker;
  settings: WorkerSettings;
  frozen: boolean;
}

/** What a worker is given. Of its environment only names: the daemon tells no values. */
export function WorkerSettingsPanel({ worker, settings, frozen }: Props) {
  const [editing, setEditing] = useState(false);
  const { limits, restart } = settings;
  const env = settings.env ?? [];
  return (
    <Panel
      title="Settings"
      aside={
        <>
          <CopyCommand command={cli("workers", "set", worker.id, "--help")} />
          <Button size="sm" icon={Settings2} disabled={frozen} onClick={() => setEditing(true)}>
            Change
          </Button>
        </>
      }
    >
      <div className="grid grid-cols-1 items-start gap-x-6 gap-y-4 p-3 md:grid-cols-2">
        <Facts
          items={[
            [
              "Folder",
              <code key="d" className="font-mono text-sm">
                {settings.dir || none}
              </code>,
            ],
            ["Uses Claude", authModeText(settings.authMode)],
            ["Stop grace", writeDuration(settings.stopGraceMs)],
            ["Restarts", restart.budget < 0 ? "for ever" : `${count(restart.budget, "time")} in a row`],
            ["Waits before", (restart.backoffMs ?? []).map(writeDuration).join(", ") || none],
            ["Well after", writeDuration(restart.stableMs)],
            ["Left alone on", (restart.finalCodes ?? []).join(", ") || "no exit code"],
          ]}
        />
        <Facts
          items={[
            ["Memory", limits.memoryBytes > 0 ? bytes(limits.memoryBytes) : "no limit"],
            ["Processors", limits.cpu > 0 ? String(limits.cpu) : "no limit"],
            ["Processes", limits.pids > 0 ? String(limits.pids) : "no limit"],
            ["Open files", limits.nofile > 0 ? String(limits.nofile) : "no limit"],
            [
              "Environment",
              env.length === 0 ? (
                "nothing of its own"
              ) : (
                <ul key="e" className="flex flex-wrap gap-1">
                  {env.map((v) => (
                    <li
                      key={v.name}
                      className="inline-flex max-w-full items-center gap-1 rounded-sm bg-sunken px-1.5 font-mono text-sm"
                    >
                      {v.secret && <KeyRound aria-label="secret" className="size-3 shrink-0 text-muted" />}
                      <span className="truncate">{v.name}</span>
                    </li>
                  ))}
                </ul>
              ),
            ],
          ]}
        />
      </div>
      {env.length > 0 && (
        <p className="border-t border-line px-3 py-2 text-sm text-muted">
          Values are never shown. Those with a key are kept apart, in a file that only the owner of the host may read.
        </p>
      )}
      {editing && (
        <Suspense fallback={null}>
          <SettingsDialog worker={worker} settings={settings} onClose={() => setEditing(false)} />
        </Suspense>
      )}
    </Panel>
  );
}
