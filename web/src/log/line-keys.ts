import type { KeyboardEvent } from "react";
import { shortcutsEnabled } from "../lib/keyboard.ts";

/** What a key means in a list of lines. */
export type LineKey =
  | { act: "line" | "page"; by: 1 | -1; extend: boolean }
  | { act: "pick"; extend: boolean }
  | { act: "open" | PickedKey };

/** What is about the lines that are picked, or the one that the keys are at. */
export type PickedKey = "copy" | "link" | "leave";

/** The same, for the help. Home and End are keys of the whole page. */
export const lineKeyNotes = {
  title: "In a log",
  keys: [
    ["↓ j", "Next line; with Shift, pick up to it"],
    ["↑ k", "Line before; with Shift, pick up to it"],
    ["PageDown", "A page on"],
    ["PageUp", "A page back"],
    ["Home", "To the top"],
    ["End", "To the bottom; the newest line is followed"],
    ["Space", "Pick the line; with Shift, all up to it"],
    ["Enter", "Show the whole of a long line, or pick it"],
    ["c Ctrl+C", "Copy the picked lines, or the line"],
    ["y", "Copy a link to the picked lines, or the line"],
    ["Esc", "Let go of what is picked"],
  ] as [string, string][],
};

const steps: Record<string, ["line" | "page", 1 | -1]> = {
  ArrowDown: ["line", 1],
  j: ["line", 1],
  ArrowUp: ["line", -1],
  k: ["line", -1],
  PageDown: ["page", 1],
  PageUp: ["page", -1],
};

/** Reads a key that was pressed while the list, or something in it, has the focus; null for one that is nothing to it. */
export function lineKey(event: KeyboardEvent<HTMLElement>): LineKey | null {
  const { key, shiftKey: extend } = event;
  if (event.defaultPrevented || event.altKey) return null;
  if (event.ctrlKey || event.metaKey) {
    // Text that was marked with the mouse is meant before lines.
    return key === "c" && window.getSelection()?.isCollapsed !== false ? { act: "copy" } : null;
  }
  if (/^[a-z]$/i.test(key) && !shortcutsEnabled()) return null;
  const step = steps[key.length === 1 ? key.toLowerCase() : key];
  if (step) return { act: step[0], by: step[1], extend };
  if (key === "c") return { act: "copy" };
  if (key === "y") return { act: "link" };
  if (key === "Escape") return { act: "leave" };
  if (event.target !== event.currentTarget) return null; // it is for the link or the button that has the focus
  if (key === " ") return { act: "pick", extend };
  return key === "Enter" ? { act: "open" } : null;
}
