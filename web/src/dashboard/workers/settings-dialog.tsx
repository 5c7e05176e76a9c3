import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import type { FusedWorker, WorkerSettings, WorkerSettingsChange } from "../../api/types.ts";
import { CheckField, Field, SelectField, TextField } from "../../ui/field.tsx";
import { FormDialog } from "../../ui/form-dialog.tsx";
import { toast } from "../../ui/toast.tsx";
import { act, changeSettings } from "../actions.ts";
import { changeOf, draftOf, type SettingsDraft } from "./settings-form.ts";
import { inFlight, nameOf } from "./worker-state.ts";

interface Props {
  worker: FusedWorker;
  settings: WorkerSettings;
  onClose: () => void;
}

/** Changes what a worker is given. Values of the environment can be set and taken out here, and not be read. */
export function SettingsDialog({ worker, settings, onClose }: Props) {
  const [before] = useState(() => draftOf(settings));
  const [draft, setDraft] = useState(before);
  const [taken, setTaken] = useState<ReadonlySet<string>>(new Set());
  const [added, setAdded] = useState({ name: "", value: "", secret: true });
  const [restart, setRestart] = useState(false);
  const { change, problems } = changeOf(before, draft);
  const whole: WorkerSettingsChange = { ...change, ...environment(settings, taken, added) };
  const badName = added.name !== "" && !/^[A-Za-z_]\w*$/.test(added.name);
  const running = worker.local?.state === "running";
  const saving = useMutation({
    mutationFn: async () => {
      await changeSettings(worker.id, whole);
      if (restart && running) await act(worker.id, "restart");
    },
    onSuccess: () => {
      toast(
        "ok",
        `${nameOf(worker)} was changed`,
        restart || !running ? "" : "It takes effect when its process starts again.",
      );
      onClose();
    },
  });
  const text = (key: keyof SettingsDraft) => ({
    value: draft[key],
    error: problems[key],
    autoComplete: "off",
    spellCheck: false,
    onChange: (e: { target: { value: string } }) => setDraft({ ...draft, [key]: e.target.value }),
  });
  const nothing = Object.keys(whole).length === 0;
  return (
    <FormDialog
      wide
      title={`Settings of ${nameOf(worker)}`}
      action="Save"
      doing="Saving…"
      pending={saving.isPending}
      held={nothing || badName || Object.keys(problems).length > 0}
      onSubmit={saving.mutate}
      onClose={onClose}
      refused="Nothing, or not all of it, was changed"
      error={saving.error}
    >
      <p className="text-muted">
        What is emptied gets the daemon's default back. A change takes effect when the process starts.
      </p>
      <fieldset className="grid grid-cols-1 gap-3 sm:grid-cols-2">
        <legend className="mb-2 font-semibold">Limits</legend>
        <TextField label="Memory" hint="512MiB, 2GiB" {...text("memory")} />
        <TextField label="Processors" hint="1.5" inputMode="decimal" {...text("cpu")} />
        <TextField label="Processes" inputMode="numeric" {...text("pids")} />
        <TextField label="Open files, of each process" inputMode="numeric" {...text("nofile")} />
      </fieldset>
      <fieldset className="grid grid-cols-1 gap-3 sm:grid-cols-2">
        <legend className="mb-2 font-semibold">Restarts</legend>
        <TextField label="How often in a row" hint="-1: for ever" {...text("restarts")} />
        <TextField label="Waits before each" hint="1s, 5s, 1m; the last repeats" {...text("backoff")} />
        <TextField label="Well after" hint="A run of this length forgets the restarts before" {...text("stable")} />
        <TextField label="Exit codes that end it" hint="2, 78" {...text("finalCodes")} />
      </fieldset>
      <fieldset className="grid grid-cols-1 gap-3 sm:grid-cols-2">
        <legend className="mb-2 font-semibold">Process</legend>
        <TextField label="Folder" hint="Where it runs" {...text("dir")} />
        <TextField label="Stop grace" hint="How long a stopped worker may finish its run" {...text("stopGrace")} />
        <SelectField
          label="How its tasks use Claude"
          value={draft.authMode}
          onChange={(e) => setDraft({ ...draft, authMode: e.target.value })}
        >
          {[...new Set([before.authMode, "claude-max", "api-key"])].map((mode) => (
            <option key={mode}>{mode}</option>
          ))}
        </SelectField>
      </fieldset>
      <fieldset className="space-y-3">
        <legend className="mb-2 font-semibold">Environment</legend>
        {(settings.env ?? []).map((v) => (
          <CheckField
            key={v.name}
            label={<code className={`font-mono text-sm ${taken.has(v.name) ? "line-through" : ""}`}>{v.name}</code>}
            hint={taken.has(v.name) ? "is taken out" : v.secret ? "secret" : undefined}
            checked={!taken.has(v.name)}
            onChange={(e) => {
              const next = new Set(taken);
              if (e.target.checked) next.delete(v.name);
              else next.add(v.name);
              setTaken(next);
            }}
          />
        ))}
        <div className="grid grid-cols-1 gap-3 sm:grid-cols-2">
          <TextField
            label="Set a variable"
            placeholder="NAME"
            autoComplete="off"
            spellCheck={false}
            error={badName ? "Letters, digits and _; no digit first" : undefined}
            value={added.name}
            onChange={(e) => setAdded({ ...added, name: e.target.value })}
          />
          <Field label="Its value">
            {(props) => (
              <input
                {...props}
                type={added.secret ? "password" : "text"}
                className="field w-full"
                autoComplete="new-password"
                spellCheck={false}
                value={added.value}
                onChange={(e) => setAdded({ ...added, value: e.target.value })}
              />
            )}
          </Field>
        </div>
        <CheckField
          label="It is a secret"
          hint="Kept in a file that only the owner may read, and taken out of captured output."
          checked={added.secret}
          onChange={(e) => setAdded({ ...added, secret: e.target.checked })}
        />
      </fieldset>
      {running && (
        <CheckField
          label="Restart it now"
          hint={
            inFlight(worker) > 0
              ? "One run is in flight; it is finished first, if it can be in the time that is given."
              : "No run is in flight."
          }
          checked={restart}
          onChange={(e) => setRestart(e.target.checked)}
        />
      )}
    </FormDialog>
  );
}

/** What becomes of the environment: a variable is in the place that its kind has, and nowhere else. */
export function environment(
  settings: WorkerSettings,
  taken: ReadonlySet<string>,
  added: { name: string; value: string; secret: boolean },
): Pick<WorkerSettingsChange, "env" | "secretEnv"> {
  const env: Record<string, string | null> = {};
  const secretEnv: Record<string, string | null> = {};
  for (const v of settings.env ?? []) {
    const moved = v.name === added.name && v.secret !== added.secret;
    if (taken.has(v.name) || moved) (v.secret ? secretEnv : env)[v.name] = null;
  }
  if (added.name !== "") (added.secret ? secretEnv : env)[added.name] = added.value;
  return {
    ...(Object.keys(env).length > 0 ? { env } : {}),
    ...(Object.keys(secretEnv).length > 0 ? { secretEnv } : {}),
  };
}
