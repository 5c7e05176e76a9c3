import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ShieldCheck, ShieldOff, X } from "lucide-react";
import { useState } from "react";
import type { Enrollment } from "../../api/types.ts";
import { instant, shellQuote } from "../../lib/format.ts";
import { preference } from "../../lib/preference.ts";
import { Action } from "../../ui/action.tsx";
import { IconButton } from "../../ui/button.tsx";
import { Ago } from "../../ui/time.tsx";
import { useMay, useSession } from "../gate.tsx";
import { enrollmentsQuery } from "../queries/enrollments.ts";
import { hostsQuery, revokeHost } from "../queries/hosts.ts";
import { queries } from "../server.ts";

/** Until when this browser has put the notices away, in ms. */
const seen = preference<string>("pipeweave_joined_seen", "0", (text) => /^\d+$/.test(text));
const mostShown = 3;
const dayMs = 86_400_000;

/** Who joined since a moment, let in by somebody else: the newest first. A host that joined twice is told of once. */
function joinedSince(all: Enrollment[], since: number, me: string): Enrollment[] {
  const names = new Set<string>();
  return all
    .filter((e) => e.status === "redeemed" && e.kind === "device" && e.decidedBy !== me)
    .filter((e) => (instant(e.decidedAt) ?? 0) > since)
    .toSorted((a, b) => (instant(b.decidedAt) ?? 0) - (instant(a.decidedAt) ?? 0))
    .filter((e) => !names.has(e.hostname ?? e.id) && names.add(e.hostname ?? e.id));
}

/**
 * Tells the others when somebody let a host in, with the way to take that back at once: whoever approved it may have been
 * talked into it. It stays until it was put away; what is older than a day is only history.
 */
export function JoinNotices() {
  const session = useSession();
  const all = useQuery(enrollmentsQuery);
  const mark = Number(seen.use()) || 0;
  const [begun] = useState(() => Date.now());
  const joined = joinedSince(all.data ?? [], Math.max(mark, begun - dayMs), session.name);
  if (joined.length === 0) return null;
  const putAway = () => seen.set(String(Math.max(...joined.map((e) => instant(e.decidedAt) ?? 0))));
  return (
    <section
      aria-label="Hosts that joined"
      className="tone-live tint flex items-start gap-3 border-b px-4 py-2 text-text md:px-6"
    >
      <ShieldCheck aria-hidden className="mt-1.5 size-4 shrink-0 text-live" />
      <ul className="min-w-0 flex-1 space-y-1">
        {joined.slice(0, mostShown).map((e) => (
          <Notice key={e.id} enrollment={e} />
        ))}
        {joined.length > mostShown && (
          <li className="text-sm">
            <Link to="/hosts" search={{ view: "joining" }} className="link">
              and {joined.length - mostShown} more
            </Link>
          </li>
        )}
      </ul>
      <IconButton icon={X} label="Put these notices away" onClick={putAway} />
    </section>
  );
}

function Notice({ enrollment: e }: { enrollment: Enrollment }) {
  const admits = useMay("admin");
  const name = e.hostname || e.label || "A host";
  return (
    <li className="flex flex-wrap items-center gap-x-3 gap-y-1" data-joined-host={e.hostname}>
      <p role="status" className="min-w-0 flex-1 basis-64">
        <strong className="font-semibold break-words">
          <bdi>{name.slice(0, 120)}</bdi>
        </strong>{" "}
        joined{e.address && ` from ${e.address}`}, let in by {e.decidedBy || "somebody"} <Ago at={e.decidedAt} />.
      </p>
      <span className="flex items-center gap-2">
        <Link to="/hosts" search={e.hostname ? { q: e.hostname } : {}} className="link text-sm">
          See it
        </Link>
        {admits && (
          <Action
            label="Revoke"
            doing="Revoking…"
            variant="danger"
            icon={ShieldOff}
            name={`Revoke ${name}`}
            command={`pipeweave hosts revoke ${shellQuote(name)}`}
            run={() => revokeByName(e.hostname ?? "")}
            done={`${name} is revoked`}
          />
        )}
      </span>
    </li>
  );
}

/** An enrolment knows the name of its host; revoking needs the id. */
async function revokeByName(name: string): Promise<unknown> {
  const hosts = await queries.fetchQuery({ ...hostsQuery, staleTime: 0 });
  const found = hosts.find((h) => h.name === name && h.status !== "revoked");
  if (!found) throw new Error("It is no host any more: it was revoked, or has not registered yet.");
  return revokeHost(found.id);
}
