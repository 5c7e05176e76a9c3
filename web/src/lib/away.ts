import { useSyncExternalStore } from "react";

// The server that the page cannot reach now, by the name the banner gives it. The banner knows; buttons ask.
let server: string | null = null;
const listeners = new Set<() => void>();

/** Says that a server is away, or that it is back (null). */
export function setAway(next: string | null): void {
  if (next === server) return;
  server = next;
  for (const listener of listeners) listener();
}

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

/**
 * Why nothing can be asked of the server now, or undefined. An action is not offered while its server is away: it would
 * fail, and nobody would know whether it was done.
 */
export function useAway(): string | undefined {
  const away = useSyncExternalStore(subscribe, () => server);
  return away === null ? undefined : `There is no connection to ${away}`;
}
