import { useMutation, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Rocket } from "lucide-react";
import { useDeferredValue, useState } from "react";
import type { Host, PublishedRelease, RolloutPlan } from "../../api/types.ts";
import { bytes, count } from "../../lib/format.ts";
import { Id } from "../../ui/copy.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { SelectField, TextField } from "../../ui/field.tsx";
import { DialogForm } from "../../ui/form-dialog.tsx";
import { Empty, Failure, Loading } from "../../ui/panel.tsx";
import { Ago, At } from "../../ui/time.tsx";
import { hostsQuery } from "../queries/hosts.ts";
import { releasesQuery } from "../queries/releases.ts";
import { planQuery, startRollout } from "../queries/rollouts.ts";
import { HostPicker } from "./host-picker.tsx";
import { type StartForm, startCommand, startRequest } from "./rollout-words.ts";

interface Props {
  /** What to begin with, where somebody came from a release. */
  program?: string | undefined;
  version?: string | undefined;
  onClose: () => void;
}

/** Starts a rollout, with a preview of the hosts that it would be about. */
export function StartRollout({ program, version, onClose }: Props) {
  const releases = useQuery(releasesQuery);
  const hosts = useQuery(hostsQuery);
  const offered = releases.data?.filter((r) => r.state === "published");
  return (
    <Dialog kind="wide" title="Start a rollout" onClose={onClose}>
      {offered && hosts.data ? (
        offered.length > 0 ? (
          <Form
            releases={offered}
            hosts={hosts.data.filter((h) => h.status !== "revoked")}
            program={program}
            version={version}
            onClose={onClose}
          />
        ) : (
          <Empty icon={Rocket} title="Nothing is published" command="pipeweave releases publish dist --key release.key">
            A rollout brings hosts to a version that was signed and published. Publish one:
          </Empty>
        )
      ) : releases.isError || hosts.isError ? (
        <Failure
          what="What could be rolled out could not be loaded"
          error={releases.error ?? hosts.error}
          retry={() => {
            void releases.refetch();
            void hosts.refetch();
          }}
        />
      ) : (
        <Loading lines={5} />
      )}
    </Dialog>
  );
}

const whole = (text: string, least: number) => Math.max(least, Math.min(10_000, Math.trunc(Number(text)) || 0));

function Form({ releases, hosts, program, version, onClose }: Props & { releases: PublishedRelease[]; hosts: Host[] }) {
  const navigate = useNavigate();
  const programs = [...new Set(releases.map((r) => r.program))];
  const firstProgram =
    programs.find((p) => p === program) ?? programs.find((p) => p === "pipedai-worker") ?? programs[0];
  const versionsOf = (name: string) => [...new Set(releases.filter((r) => r.program === name).map((r) => r.version))];
  const [form, setForm] = useState<StartForm>({
    program: firstProgram ?? "",
    version: versionsOf(firstProgram ?? "").find((v) => v === version) ?? versionsOf(firstProgram ?? "")[0] ?? "",
    channel: "",
    hosts: [],
    label: "",
    canary: 1,
    maxUnavailable: 1,
    maxFailures: 0,
    note: "",
  });
  const [typed, setTyped] = useState("");
  const set = (change: Partial<StartForm>) => setForm((old) => ({ ...old, ...change }));
  const { note: _, ...about } = form;
  const asked = useDeferredValue(about);
  const plan = useQuery(planQuery(startRequest({ ...asked, note: "" })));
  const start = useMutation({
    mutationFn: () => startRollout(startRequest(form)),
    onSuccess: (made) => void navigate({ to: "/rollouts/$id", params: { id: made.id } }),
  });
  // Of the whole fleet it is asked twice, as the command line does.
  const everybody = form.hosts.length === 0 && form.label.trim() === "";
  const held = !plan.data?.targets?.length || (everybody && typed !== form.version);
  const channels = [
    ...new Set(releases.filter((r) => r.program === form.program && r.version === form.version).map((r) => r.channel)),
  ];
  const named = hosts.filter((h) => form.hosts.includes(h.id)).map((h) => h.name);
  return (
    <DialogForm
      action="Start the rollout"
      icon={Rocket}
      cancel="Close"
      pending={start.isPending}
      held={held}
      onSubmit={start.mutate}
      onClose={onClose}
      refused="The rollout was not started"
      error={start.error}
      command={startCommand(form, named)}
    >
      <div className="grid grid-cols-1 gap-3 sm:grid-cols-3">
        <SelectField
          label="Program"
          value={form.program}
          onChange={(e) => set({ program: e.target.value, version: versionsOf(e.target.value)[0] ?? "", channel: "" })}
        >
          {programs.map((p) => (
            <option key={p}>{p}</option>
          ))}
        </SelectField>
        <SelectField
          label="Version"
          value={form.version}
          onChange={(e) => set({ version: e.target.value, channel: "" })}
        >
          {versionsOf(form.program).map((v) => (
            <option key={v}>{v}</option>
          ))}
        </SelectField>
        <SelectField label="Channel" value={form.channel} onChange={(e) => set({ channel: e.target.value })}>
          <option value="">Any that has it</option>
          {channels.map((c) => (
            <option key={c}>{c}</option>
          ))}
        </SelectField>
      </div>
      <HostPicker hosts={hosts} chosen={form.hosts} onChange={(chosen) => set({ hosts: chosen })} />
      {form.hosts.length === 0 && (
        <TextField
          label="Only hosts whose label matches"
          optional
          placeholder="build-*"
          value={form.label}
          onChange={(e) => set({ label: e.target.value })}
        />
      )}
      <div className="grid grid-cols-1 gap-3 sm:grid-cols-3">
        <TextField
          type="number"
          label="Canary hosts"
          hint="They go first, and all have to succeed."
          min={0}
          value={form.canary}
          onChange={(e) => set({ canary: whole(e.target.value, 0) })}
        />
        <TextField
          type="number"
          label="At the same time"
          hint="At most so many hosts are away."
          min={1}
          value={form.maxUnavailable}
          onChange={(e) => set({ maxUnavailable: whole(e.target.value, 1) })}
        />
        <TextField
          type="number"
          label="May fail"
          hint="One more pauses the rollout."
          min={0}
          value={form.maxFailures}
          onChange={(e) => set({ maxFailures: whole(e.target.value, 0) })}
        />
      </div>
      <TextField
        label="Note"
        optional
        maxLength={1000}
        value={form.note}
        onChange={(e) => set({ note: e.target.value })}
      />
      <Preview plan={plan.data} error={plan.error} retry={() => void plan.refetch()} />
      {everybody && (plan.data?.targets?.length ?? 0) > 0 && (
        <TextField
          label={`Type ${form.version} to go on`}
          hint="It is about every host that is not on the version."
          autoComplete="off"
          spellCheck={false}
          value={typed}
          onChange={(e) => setTyped(e.target.value)}
        />
      )}
    </DialogForm>
  );
}

/** Which hosts a rollout is about, in the order of their turns, and which not and why. */
export function Preview({ plan, error, retry }: { plan: RolloutPlan | undefined; error: unknown; retry: () => void }) {
  if (error && !plan) return <Failure what="This cannot be rolled out so" error={error} retry={retry} />;
  if (!plan) return <Loading lines={2} label="Looking which hosts it is about" />;
  const targets = plan.targets ?? [];
  const leftOut = plan.leftOut ?? [];
  return (
    <section aria-label="Preview" data-preview={targets.length} className="rounded-md border border-line">
      <p className="px-3 py-2 font-medium">
        {targets.length > 0
          ? `It is about ${count(targets.length, "host")}, in this order:`
          : "There is no host that it is about."}
      </p>
      {plan.release && targets.length > 0 && <Installed plan={plan} />}
      {targets.length > 0 && (
        <ol className="max-h-48 list-decimal overflow-y-auto border-t border-line py-1.5 pr-3 pl-9 text-sm marker:text-muted">
          {targets.map((t) => (
            <li key={t.hostId} className="py-0.5">
              <span className="font-medium">{t.host}</span>{" "}
              <span className="text-muted">
                {t.from?.length ? `${t.from.join(", ")} to ` : "to "}
                {t.version}
                {t.size !== undefined && t.size > 0 && `, ${bytes(t.size)}`}
                {!t.online && ", offline: it gets its turn when it is back"}
              </span>
            </li>
          ))}
        </ol>
      )}
      {leftOut.length > 0 && (
        <details open={targets.length === 0} className="border-t border-line px-3 py-2 text-sm">
          <summary className="text-muted">{count(leftOut.length, "host")} left out</summary>
          <ul className="max-h-40 overflow-y-auto pt-1">
            {leftOut.map((l) => (
              <li key={l.hostId}>
                <span className="font-medium">{l.host}</span> <span className="text-muted">{l.why}</span>
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}

/** What the hosts would install, and who answers for it. */
function Installed({ plan }: { plan: RolloutPlan }) {
  const { release } = plan;
  if (!release) return null;
  return (
    <div className="space-y-1 border-t border-line px-3 py-2 text-sm" data-planned-release>
      <p className="text-muted">
        {plan.program} {plan.version} on {plan.channel}, signed by <Id id={release.keyId} what="key id" length={18} />,
        published <Ago at={release.publishedAt} />
        {release.publishedBy && ` by ${release.publishedBy}`}, good until <At at={release.expiresAt} />
      </p>
      {release.notes && (
        <details>
          <summary className="text-muted">What is new</summary>
          <p className="max-h-40 overflow-y-auto pt-1 whitespace-pre-wrap">{release.notes}</p>
        </details>
      )}
    </div>
  );
}
