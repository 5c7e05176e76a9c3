import { useMutation } from "@tanstack/react-query";
import { CirclePause, CirclePlay, ShieldOff } from "lucide-react";
import { useState } from "react";
import type { Host } from "../../api/types.ts";
import { count, shellQuote } from "../../lib/format.ts";
import { Action } from "../../ui/action.tsx";
import { Button } from "../../ui/button.tsx";
import { SelectField, TextField } from "../../ui/field.tsx";
import { FormDialog } from "../../ui/form-dialog.tsx";
import { toast } from "../../ui/toast.tsx";
import { useMay } from "../gate.tsx";
import { pauseHost, resumeHost, revokeHost } from "../queries/hosts.ts";

/** What may be done with a host by whoever looks at it. */
export function HostActions({ host }: { host: Host }) {
  const operates = useMay("operator");
  const admits = useMay("admin");
  const [pausing, setPausing] = useState(false);
  if (host.status === "revoked" || !operates) return null;
  const name = shellQuote(host.name);
  return (
    <>
      {host.paused ? (
        <Action
          label="Resume"
          doing="Resuming…"
          size="md"
          icon={CirclePlay}
          name={`Resume ${host.name}`}
          command={`pipeweave hosts resume ${name}`}
          run={() => resumeHost(host.id)}
          done={(after) =>
            after.disabled > 0
              ? `${host.name} gets runs again, but for ${count(after.disabled, "worker")} disabled by itself`
              : `${host.name} gets runs again`
          }
        />
      ) : (
        <Button icon={CirclePause} aria-label={`Pause or drain ${host.name}`} onClick={() => setPausing(true)}>
          Pause or drain
        </Button>
      )}
      {admits && (
        <Action
          label="Revoke"
          doing="Revoking…"
          size="md"
          variant="danger"
          icon={ShieldOff}
          name={`Revoke ${host.name}`}
          command={`pipeweave hosts revoke ${name}`}
          confirm={{
            title: `Revoke ${host.name}?`,
            body: <WhatRevokingDoes host={host} />,
            action: "Revoke the host",
            danger: true,
            typed: host.name,
          }}
          run={() => revokeHost(host.id)}
          done={`${host.name} is revoked`}
        />
      )}
      {pausing && <PauseDialog host={host} onClose={() => setPausing(false)} />}
    </>
  );
}

function WhatRevokingDoes({ host }: { host: Host }) {
  return (
    <>
      <p>
        The credentials of this host{host.workers > 0 && ` and of its ${count(host.workers, "worker")}`} are void at
        once. What it holds open ends within 5 seconds. It never pairs again by itself.
      </p>
      <p>
        {host.busy > 0
          ? `${count(host.busy, "run")} in hand will run elsewhere when their leases end; what the host says of them is not heard any more. To let them end first, drain the host.`
          : "It has no run in hand."}
      </p>
    </>
  );
}

const lasts: [string, string][] = [
  ["", "Until somebody resumes it"],
  ["1800", "30 minutes"],
  ["7200", "2 hours"],
  ["28800", "8 hours"],
  ["86400", "A day"],
  ["604800", "A week"],
];
const shellWords: Record<string, string> = {
  "1800": "30m",
  "7200": "2h",
  "28800": "8h",
  "86400": "24h",
  "604800": "168h",
};

function PauseDialog({ host, onClose }: { host: Host; onClose: () => void }) {
  const [note, setNote] = useState("");
  const [seconds, setSeconds] = useState("");
  const pause = useMutation({
    mutationFn: () => pauseHost(host.id, note.trim(), seconds === "" ? null : Date.now() + Number(seconds) * 1_000),
    onSuccess: (after) => {
      toast(
        "ok",
        `${host.name} is paused`,
        after.busy > 0 ? `It still has ${count(after.busy, "run")} in hand.` : "Nothing runs on it.",
      );
      onClose();
    },
  });
  const words = [
    `pipeweave hosts pause ${shellQuote(host.name)}`,
    note.trim() && `--note ${shellQuote(note.trim())}`,
    seconds && `--for ${shellWords[seconds]}`,
  ].filter(Boolean);
  return (
    <FormDialog
      title={`Pause ${host.name}`}
      action="Pause the host"
      icon={CirclePause}
      pending={pause.isPending}
      onSubmit={pause.mutate}
      onClose={onClose}
      refused="The host was not paused"
      error={pause.error}
      command={words.join(" ")}
    >
      <p>
        Its {count(host.workers, "worker")} get no new runs.{" "}
        {host.busy > 0
          ? `The ${count(host.busy, "run")} in hand go on; the page of the host shows when it is drained.`
          : "It has no run in hand, so it is drained at once."}
      </p>
      <TextField
        label="Why"
        optional
        maxLength={1000}
        placeholder="new disk"
        hint="Whoever finds the host paused reads this, and your name."
        value={note}
        onChange={(e) => setNote(e.target.value)}
      />
      <SelectField
        label="How long"
        hint="It ends by itself then, whether or not this page is open."
        value={seconds}
        onChange={(e) => setSeconds(e.target.value)}
      >
        {lasts.map(([value, label]) => (
          <option key={value} value={value}>
            {label}
          </option>
        ))}
      </SelectField>
    </FormDialog>
  );
}
