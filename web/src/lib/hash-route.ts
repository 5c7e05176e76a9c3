import { useMemo, useSyncExternalStore } from "react";

/**
 * The part of the address behind #, as a path and a query: #/workers/wrk_1/log?lines=40-52. The daemon serves one page at
 * one path, so what is shown has to stand there; a dozen lines do it, where a router would bring matching that nothing needs.
 */
interface Route {
  path: string[];
  search: URLSearchParams;
}

export function parseRoute(hash: string): Route {
  const [path = "", search = ""] = hash.replace(/^#?\/?/, "").split("?", 2);
  return { path: path.split("/").filter(Boolean).map(decode), search: new URLSearchParams(search) };
}

/** The hash of a place. Parameters that are empty are left out. */
export function routeHash(path: string[], search: Record<string, string | undefined> = {}): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(search)) if (value) query.set(key, value);
  const text = query.toString();
  return `#/${path.map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`;
}

/** Goes to a place; with replace, without leaving a mark in the history (for what is typed or picked). */
export function goTo(hash: string, { replace = false } = {}): void {
  if (hash === window.location.hash) return;
  if (!replace) {
    window.location.hash = hash;
    return;
  }
  window.history.replaceState(window.history.state, "", hash);
  window.dispatchEvent(new Event("hashchange"));
}

function subscribe(listener: () => void): () => void {
  window.addEventListener("hashchange", listener);
  return () => window.removeEventListener("hashchange", listener);
}

/** Where the page is. */
export function useRoute(): Route {
  const hash = useSyncExternalStore(subscribe, () => window.location.hash);
  return useMemo(() => parseRoute(hash), [hash]);
}

/** Changes parameters of the address and leaves the rest of it; undefined takes one out. */
export function setSearch(changes: Record<string, string | undefined>): void {
  const { path, search } = parseRoute(window.location.hash);
  goTo(routeHash(path, { ...Object.fromEntries(search), ...changes }), { replace: true });
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // somebody typed a lone %
  }
}
