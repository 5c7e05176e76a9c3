import type { Host } from "../api/types.ts";
import { holdsWords } from "../lib/match.ts";
import { isBehind } from "../lib/version.ts";

/** What of the hosts is shown; it stands in the address. */
export interface HostsSearch {
  [key: string]: unknown;
  view?: "workers" | "pool" | "joining" | undefined;
  q?: string | undefined;
  state?: string | undefined;
  os?: string | undefined;
  adding?: true | undefined;
}

/** The states of the filter: those of a host, and what else hosts are looked for by. */
export const hostStates = ["online", "offline", "never", "paused", "warning", "behind", "revoked"] as const;

/** Whether a host is shown. Revoked ones are, only where they are asked for: they are history. */
export function showsHost(host: Host, search: HostsSearch, newest: string | undefined): boolean {
  if (!showsState(host, search.state, newest)) return false;
  if (search.os && host.os !== search.os) return false;
  return holdsWords(search.q, host.name, host.label, host.id, host.note, host.arch, host.osVersion, host.version);
}

function showsState(host: Host, state: string | undefined, newest: string | undefined): boolean {
  switch (state) {
    case undefined:
      return host.status !== "revoked";
    case "paused":
      return host.paused !== null;
    case "warning":
      return host.status !== "revoked" && (host.warnings ?? []).length > 0;
    case "behind":
      return host.status !== "revoked" && isBehind(host.version, newest);
    default:
      return host.status === state;
  }
}

const systems: Record<string, string> = { linux: "Linux", darwin: "macOS", win32: "Windows", windows: "Windows" };

/** A system as people call it. */
export const systemName = (os: string | undefined): string => (os ? (systems[os] ?? os) : "");

/** What stands between a paused host and one that has nothing in hand. */
export function drainOf(host: Host): { left: number; of: number; done: boolean } | null {
  if (host.paused === null || host.status === "revoked") return null;
  return { left: host.busy, of: host.workers, done: host.busy === 0 };
}
