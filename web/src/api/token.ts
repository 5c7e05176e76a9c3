/** Where a page keeps its bearer token: the tab's session storage, so that it ends with the tab and no other page sees it. */
export interface TokenStore {
  get(): string | null;
  set(token: string): void;
  clear(): void;
}

/** A store over sessionStorage that still works, for this page view, where storage is forbidden. */
export function sessionToken(key: string, storage: () => Storage = () => sessionStorage): TokenStore {
  let memory: string | null = null;
  const attempt = <T>(fn: (s: Storage) => T): T | null => {
    try {
      return fn(storage());
    } catch {
      return null;
    }
  };
  return {
    get: () => attempt((s) => s.getItem(key)) ?? memory,
    set(token) {
      memory = token;
      attempt((s) => s.setItem(key, token));
    },
    clear() {
      memory = null;
      attempt((s) => s.removeItem(key));
    },
  };
}

/**
 * Moves ?token= from the address into the store and takes it out of the address bar and the history entry, so that it is
 * neither bookmarked nor copied along with the link. Other parameters stay. Says whether there was one.
 */
export function takeToken(
  store: TokenStore,
  location: Pick<Location, "href"> = window.location,
  history: Pick<History, "replaceState" | "state"> = window.history,
): boolean {
  const url = new URL(location.href);
  const token = url.searchParams.get("token");
  if (token === null) return false;
  url.searchParams.delete("token");
  history.replaceState(history.state, "", url.pathname + url.search + url.hash);
  const clean = token.trim();
  if (clean === "") return false;
  store.set(clean);
  return true;
}
