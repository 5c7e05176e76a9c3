import { useEffect, useRef, useSyncExternalStore } from "react";

/** A key ("?"), or two in a row ("g r"). */
interface Shortcut {
  keys: string;
  label: string;
  run: () => void;
}

/** Keys that a part of the page takes while it has the focus; the help tells of them. */
interface KeyNotes {
  title: string;
  /** Each with other keys that do the same, after a space. */
  keys: [keys: string, label: string][];
}

const preference = "shortcuts";
const sequenceMs = 1_200;
const active = new Set<{ current: Shortcut[] }>();
const notes = new Set<KeyNotes>();
const listeners = new Set<() => void>();
let pending: { key: string; until: number } | null = null;

const changed = () => {
  for (const listener of listeners) listener();
};

/** Single keys can disturb people who dictate, so they can be switched off (WCAG 2.1.4). */
export function shortcutsEnabled(): boolean {
  try {
    return localStorage.getItem(preference) !== "off";
  } catch {
    return true;
  }
}

export function setShortcutsEnabled(on: boolean): void {
  try {
    if (on) localStorage.removeItem(preference);
    else localStorage.setItem(preference, "off");
  } catch {
    // It holds nowhere then; there is nothing to fall back to.
  }
  changed();
}

export function useShortcutsEnabled(): boolean {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, shortcutsEnabled);
}

/** All shortcuts that do something right now, for the help. */
export function activeShortcuts(): Shortcut[] {
  return [...active].flatMap((s) => s.current);
}

/** What parts of the page do with keys, for the help. */
export const activeKeyNotes = (): KeyNotes[] => [...notes];

/** Lists keys in the help while the component is mounted; given is a constant. */
export function useKeyNotes(given: KeyNotes): void {
  useEffect(() => {
    notes.add(given);
    return () => {
      notes.delete(given);
    };
  }, [given]);
}

/** Offers shortcuts while the component is mounted. Later ones win. */
export function useShortcuts(shortcuts: Shortcut[]): void {
  const ref = useRef(shortcuts);
  useEffect(() => {
    ref.current = shortcuts;
  });
  useEffect(() => {
    active.add(ref);
    return () => {
      active.delete(ref);
    };
  }, []);
}

function typing(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  );
}

function onKeyDown(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || typing(event.target)) return;
  if (!shortcutsEnabled()) return;
  const inDialog = document.querySelector("dialog[open]") !== null;
  const first = pending !== null && pending.until > event.timeStamp ? pending.key : null;
  pending = null;
  const find = (keys: string) =>
    activeShortcuts()
      .reverse()
      .find((s) => s.keys === keys);
  const hit = (first !== null && find(`${first} ${event.key}`)) || find(event.key);
  if (hit) {
    // Behind an open dialog nothing may move.
    if (inDialog && hit.keys !== "/") return;
    event.preventDefault();
    hit.run();
    return;
  }
  if (activeShortcuts().some((s) => s.keys.startsWith(`${event.key} `))) {
    pending = { key: event.key, until: event.timeStamp + sequenceMs };
  }
}

/** Starts listening; once per page. */
export function watchKeyboard(): void {
  document.addEventListener("keydown", onKeyDown);
}

/** Moves the focus among the elements marked data-row, in page order. Enter is the element's own. */
export function moveRow(step: 1 | -1): void {
  const rows = [...document.querySelectorAll<HTMLElement>("[data-row]")].filter((e) => e.offsetParent !== null);
  const here = rows.findIndex((row) => row === document.activeElement || row.contains(document.activeElement));
  const next = here < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, here + step));
  rows[next]?.focus();
  rows[next]?.scrollIntoView({ block: "nearest" });
}

/** Puts the cursor into the page's search field, the topmost dialog's first. */
export function focusSearch(): void {
  const scope = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document;
  const field = scope.querySelector<HTMLInputElement>("[data-search]");
  field?.focus();
  field?.select?.();
}
