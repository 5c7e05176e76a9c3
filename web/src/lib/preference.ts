import { useSyncExternalStore } from "react";

/** A choice of the reader that outlives the page and is shared by its tabs. */
interface Preference<T extends string> {
  get(): T;
  set(value: T): void;
  use(): T;
  /** Calls back at each change, also in another tab; returns what ends it. */
  watch(listener: () => void): () => void;
}

/**
 * A preference kept under a key. What is stored and does not read as a value, or cannot be read at all, is the fallback; a
 * choice that cannot be stored holds for this page view.
 */
export function preference<T extends string>(
  key: string,
  fallback: T,
  valid: (text: string) => boolean,
): Preference<T> {
  const listeners = new Set<() => void>();
  const read = (): T => {
    try {
      const text = localStorage.getItem(key);
      return text !== null && valid(text) ? (text as T) : fallback;
    } catch {
      return fallback;
    }
  };
  let value: T | undefined;
  const get = () => {
    value ??= read();
    return value;
  };
  const tell = () => {
    for (const listener of listeners) listener();
  };
  const onStorage = (event: StorageEvent) => {
    if (event.key !== key && event.key !== null) return;
    value = read();
    tell();
  };
  const subscribe = (listener: () => void) => {
    if (listeners.size === 0) window.addEventListener("storage", onStorage);
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) window.removeEventListener("storage", onStorage);
    };
  };
  return {
    get,
    set(next) {
      value = next;
      try {
        if (next === fallback) localStorage.removeItem(key);
        else localStorage.setItem(key, next);
      } catch {
        // It holds for this page view then.
      }
      tell();
    },
    use: () => useSyncExternalStore(subscribe, get),
    watch: subscribe,
  };
}
