import { useMutation, useQuery } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { useState } from "react";
import type { FusedWorker } from "../../api/types.ts";
import { goTo } from "../../lib/hash-route.ts";
import { Command } from "../../ui/copy.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { SelectField, TextField } from "../../ui/field.tsx";
import { FormDialog } from "../../ui/form-dialog.tsx";
import { Failure, Loading } from "../../ui/panel.tsx";
import { toast } from "../../ui/toast.tsx";
import { build } from "../actions.ts";
import { cli } from "../cli.ts";
import { workerHref } from "../places.ts";
import { selfQuery } from "../queries.ts";

/** Where a worker can be registered without a token: the control planes that know this host, pools apart. */
export function choices(
  workers: FusedWorker[],
  planes: { apiUrl: string; pool?: boolean; revokedAt?: string | null }[],
) {
  const known = planes.filter((p) => !p.pool && !p.revokedAt).map((p) => p.apiUrl);
  const used = workers.filter((w) => w.mode === "workspace").map((w) => w.apiUrl);
  const revoked = new Set(planes.filter((p) => p.revokedAt).map((p) => p.apiUrl));
  return [...new Set([...known, ...used])].filter((url) => !revoked.has(url));
}

/** Registers a new worker and runs it here. The daemon asks the control plane for its token; nobody pastes one. */
export function BuildDialog({ workers, onClose }: { workers: FusedWorker[]; onClose: () => void }) {
  const self = useQuery(selfQuery);
  const planes = choices(workers, self.data?.controlPlanes ?? []);
  const [chosen, setChosen] = useState<string | null>(null);
  const [label, setLabel] = useState("");
  const [auth, setAuth] = useState<"claude-max" | "api-key">("claude-max");
  const apiUrl = chosen ?? planes[0] ?? "";
  const building = useMutation({
    mutationFn: () => build({ apiUrl, authMode: auth, ...(label.trim() ? { label: label.trim() } : {}) }),
    onSuccess: (result) => {
      toast("ok", label.trim() ? `${label.trim()} was built` : "The worker was built");
      onClose();
      if (result.id) goTo(workerHref(result.id));
    },
  });
  const taken = workers.some((w) => w.label === label.trim() && label.trim() !== "");
  if (self.data === undefined)
    return (
      <Dialog title="Build a worker" onClose={onClose}>
        {self.isError ? <Failure what="The host could not be asked" error={self.error} /> : <Loading />}
      </Dialog>
    );
  if (planes.length === 0)
    return (
      <Dialog title="Build a worker" onClose={onClose}>
        <div className="space-y-3 px-4 py-4">
          <p>This host is connected to no control plane that would register a worker. Connect it first:</p>
          <Command text={cli("connect", "--api-url", "https://api.example.com")} />
        </div>
      </Dialog>
    );
  const command = cli(
    "build",
    ...(planes.length > 1 ? ["--api-url", apiUrl] : []),
    ...(label.trim() ? ["--label", label.trim()] : []),
    ...(auth === "api-key" ? ["--auth-mode", "api-key"] : []),
  );
  return (
    <FormDialog
      title="Build a worker"
      action="Build"
      doing="Building…"
      icon={Plus}
      cancel="Close"
      pending={building.isPending}
      held={taken}
      onSubmit={building.mutate}
      onClose={onClose}
      refused="The worker was not built"
      error={building.error}
      command={command}
    >
      <p className="text-muted">
        The control plane registers a new worker and gives it a token, which stays in a file of this host. The daemon
        keeps it running.
      </p>
      {planes.length === 1 ? (
        <TextField label="Control plane" value={apiUrl} readOnly />
      ) : (
        <SelectField label="Control plane" value={apiUrl} onChange={(e) => setChosen(e.target.value)}>
          {planes.map((url) => (
            <option key={url}>{url}</option>
          ))}
        </SelectField>
      )}
      <TextField
        label="Label"
        optional
        hint="What people call it. Without one it has the host's name."
        error={taken ? "Another worker of this host has this label." : undefined}
        maxLength={255}
        autoComplete="off"
        spellCheck={false}
        value={label}
        onChange={(e) => setLabel(e.target.value)}
      />
      <SelectField
        label="How its tasks use Claude"
        value={auth}
        onChange={(e) => setAuth(e.target.value as typeof auth)}
      >
        <option value="claude-max">With the subscription of this account (claude-max)</option>
        <option value="api-key">With an API key of its environment (api-key)</option>
      </SelectField>
    </FormDialog>
  );
}
