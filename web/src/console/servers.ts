import { preference } from "../lib/preference.ts";

/** A control plane that this browser remembers. */
export interface Server {
  name: string;
  /** Its origin, such as https://control.example.com. */
  url: string;
}

const stored = preference<string>("pipeweave_servers", "[]", () => true);
const longestName = 60;

/** The origin that an address means, or null where it means none. What is not http is never opened. */
export function originOf(address: string): string | null {
  const typed = address.trim();
  try {
    const url = new URL(typed.includes("://") ? typed : `https://${typed}`);
    return /^https?:$/.test(url.protocol) && url.hostname !== "" ? url.origin : null;
  } catch {
    return null;
  }
}

/** The list as it was stored, by name; whatever is not a server in it is left out. */
export function readServers(text: string): Server[] {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    return [];
  }
  const found = new Map<string, Server>();
  for (const item of Array.isArray(list) ? (list as unknown[]) : []) {
    const { name, url } = (item ?? {}) as { name?: unknown; url?: unknown };
    const origin = typeof url === "string" ? originOf(url) : null;
    if (origin === null || typeof name !== "string" || name.trim() === "") continue;
    found.set(origin, { name: name.trim().slice(0, longestName), url: origin });
  }
  return [...found.values()].sort((a, b) => a.name.localeCompare(b.name));
}

/** Why a server cannot be kept under a name and an address, or null. But for the one at except, which it replaces. */
export function serverProblem(
  servers: Server[],
  wanted: Server,
  except?: string,
): { name?: string; url?: string } | null {
  const others = servers.filter((s) => s.url !== except);
  const origin = originOf(wanted.url);
  if (wanted.name.trim() === "") return { name: "Give it a name to tell it by." };
  if (others.some((s) => s.name === wanted.name.trim())) return { name: "Another one has this name." };
  if (origin === null) return { url: "This is not an address such as https://control.example.com." };
  const same = others.find((s) => s.url === origin);
  return same ? { url: `This address is kept as ${same.name}.` } : null;
}

/** Keeps a server, in the place of the one at replaces. */
export function keepServer(server: Server, replaces?: string): void {
  const origin = originOf(server.url);
  if (origin === null) return;
  const others = readServers(stored.get()).filter((s) => s.url !== replaces && s.url !== origin);
  stored.set(JSON.stringify([...others, { name: server.name.trim(), url: origin }]));
}

export function forgetServer(url: string): void {
  stored.set(JSON.stringify(readServers(stored.get()).filter((s) => s.url !== url)));
}

export function useServers(): Server[] {
  return readServers(stored.use());
}

/** What this browser calls the control plane it is at; empty when it has no name. */
export function useServerName(): string {
  return useServers().find((s) => s.url === window.location.origin)?.name ?? "";
}
