import type { Token } from "../../api/types.ts";
import { instant } from "../../lib/format.ts";

/** What each kind of token is for. once: it works once. */
export const kindWords: Record<string, { label: string; hint: string; once: boolean; usual: string }> = {
  pwk: { label: "Person or program", hint: "It may what its role may.", once: false, usual: "Never" },
  enr: { label: "Admits a host", hint: "One machine joins by it, once.", once: true, usual: "A day" },
  wrk: { label: "Admits a worker", hint: "One worker registers by it, once.", once: true, usual: "15 minutes" },
  pool: { label: "Admits a worker to the pool", hint: "One worker, once.", once: true, usual: "An hour" },
  pop: {
    label: "Lists the pool",
    hint: "It lists the workers of the pool, nothing else.",
    once: false,
    usual: "Never",
  },
};

export const roleWords: Record<string, string> = {
  viewer: "Looks: runs, results, services, hosts, workers.",
  operator: "And triggers, cancels, replays, purges, pauses hosts, rolls out.",
  admin: "And admits and revokes hosts, makes tokens, reads the audit log.",
};

/** What a token is now. */
export function tokenState(t: Token, now: number): "valid" | "used" | "expired" | "revoked" {
  if (t.revokedAt !== null) return "revoked";
  if (t.used) return "used";
  const ends = instant(t.expiresAt);
  return ends !== null && ends <= now ? "expired" : "valid";
}
