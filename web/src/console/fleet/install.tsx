import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CircleCheck, KeyRound, LoaderCircle, X } from "lucide-react";
import { type FormEvent, useEffect, useState } from "react";
import type { Host, IssuedCode } from "../../api/types.ts";
import { useAway } from "../../lib/away.ts";
import { instant } from "../../lib/format.ts";
import { Button, IconButton } from "../../ui/button.tsx";
import { Command } from "../../ui/copy.tsx";
import { SelectField, TextField } from "../../ui/field.tsx";
import { Panel } from "../../ui/panel.tsx";
import { SecretOnce } from "../../ui/secret-once.tsx";
import { Tabs } from "../../ui/tabs.tsx";
import { Until } from "../../ui/time.tsx";
import { announce, describe } from "../../ui/toast.tsx";
import { issueCode, pendingQuery } from "../queries/enrollments.ts";
import { hostsQuery } from "../queries/hosts.ts";

/** What connects a machine to this control plane. */
export const connectCommand = (more = "") =>
  `pipedai-orchestrator connect --api-url ${window.location.origin}${more && ` ${more}`}`;

/** A host as it joined; one that joins again is as good as new. */
const joinedAs = (h: Host) => `${h.id} ${h.registeredAt} ${h.revokedAt}`;

/** The hosts that joined while this is on the page. It asks often: somebody watches. */
function useJoined(): Host[] {
  const hosts = useQuery({ ...hostsQuery, refetchInterval: 3_000 });
  const [before, setBefore] = useState<Set<string> | null>(null);
  const { data } = hosts;
  useEffect(() => {
    if (data) setBefore((known) => known ?? new Set(data.map(joinedAs)));
  }, [data]);
  if (!data || !before) return [];
  return data.filter((h) => h.status !== "revoked" && !before.has(joinedAs(h)));
}

/** How a host is added: the command, what happens next, and that it happened. */
export function Install({ onClose }: { onClose: () => void }) {
  const [way, setWay] = useState<"here" | "code">("here");
  const joined = useJoined();
  return (
    <Panel title="Add a host" aside={<IconButton icon={X} label="Close" onClick={onClose} />}>
      <div className="space-y-4 p-3">
        <Tabs
          label="How the host joins"
          tabs={[
            { name: "here", label: "Somebody sits at it" },
            { name: "code", label: "Nobody sits at it" },
          ]}
          value={way}
          onChange={setWay}
        >
          {way === "here" ? <ByPairing /> : <ByCode />}
        </Tabs>
        <Outcome joined={joined} />
      </div>
    </Panel>
  );
}

function ByPairing() {
  return (
    <ol className="list-decimal space-y-2 pl-5 marker:text-muted">
      <li>
        <p className="mb-1.5">Type this on the machine that is to join:</p>
        <Command text={connectCommand()} />
      </li>
      <li>It prints a code. An admin compares it with the one here, and approves.</li>
    </ol>
  );
}

const lifetimes: [number, string][] = [
  [3_600, "An hour"],
  [86_400, "A day"],
  [604_800, "A week"],
  [2_592_000, "30 days"],
];

function ByCode() {
  const [label, setLabel] = useState("");
  const [seconds, setSeconds] = useState(86_400);
  const away = useAway();
  const issue = useMutation({
    mutationFn: () => issueCode({ ...(label.trim() ? { label: label.trim() } : {}), expiresInSec: seconds }),
  });
  if (issue.data) return <Issued code={issue.data} again={() => issue.reset()} />;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    issue.mutate();
  };
  return (
    <form onSubmit={submit} noValidate className="space-y-3">
      <p className="text-muted">A code admits one machine, once, without anybody's approval. It is shown once.</p>
      <div className="grid grid-cols-1 gap-3 sm:grid-cols-2">
        <TextField
          label="Label"
          optional
          maxLength={255}
          placeholder="build-7"
          value={label}
          onChange={(e) => setLabel(e.target.value)}
        />
        <SelectField label="Good for" value={seconds} onChange={(e) => setSeconds(Number(e.target.value))}>
          {lifetimes.map(([value, name]) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
        </SelectField>
      </div>
      {issue.isError && (
        <p role="alert" className="text-sm text-bad">
          No code was issued. {describe(issue.error)}
        </p>
      )}
      <Button
        type="submit"
        variant="primary"
        icon={KeyRound}
        pending={issue.isPending}
        disabled={away !== undefined}
        title={away}
      >
        Issue a code
      </Button>
    </form>
  );
}

function Issued({ code, again }: { code: IssuedCode; again: () => void }) {
  return (
    <div className="space-y-3">
      <SecretOnce what="Code" secret={code.code} />
      <p>
        Put it into a file on the machine, and type this there. It works once, and ends{" "}
        <Until at={instant(code.expiresAt) ?? 0} />.
      </p>
      <Command text={connectCommand("--token-stdin < code.txt")} />
      <Button onClick={again}>Issue another one</Button>
    </div>
  );
}

function Outcome({ joined }: { joined: Host[] }) {
  const pending = useQuery({ ...pendingQuery, refetchInterval: 3_000 });
  const names = joined.map((h) => h.name).join(", ");
  useEffect(() => {
    if (names !== "") announce(`Connected: ${names}`);
  }, [names]);
  if (joined.length > 0) {
    return (
      <ul className="tone-ok tint divide-y divide-line rounded-md border" data-joined>
        {joined.map((h) => (
          <li key={h.id} className="flex items-center gap-2.5 px-3 py-2.5">
            <CircleCheck aria-hidden className="size-5 shrink-0" />
            <p className="min-w-0 flex-1 text-text">
              <strong className="font-semibold">Connected: {h.name}</strong>
            </p>
            <Link to="/hosts/$id" params={{ id: h.id }} className="link">
              See the host
            </Link>
          </li>
        ))}
      </ul>
    );
  }
  return (
    <p className="flex items-center gap-2 text-muted">
      <LoaderCircle aria-hidden className="spin size-4 shrink-0" />
      {pending.data?.length ? (
        <span>{pending.data.map((e) => e.hostname || e.label || "A host").join(", ")} asked. Review it above.</span>
      ) : (
        "Waiting for the host. This changes by itself when it joins."
      )}
    </p>
  );
}
