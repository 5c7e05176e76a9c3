import { count } from "../lib/format.ts";
import { copyAloud } from "../ui/copy.tsx";
import { toastError } from "../ui/toast.tsx";
import { linesBetween } from "./between.ts";
import type { Picked } from "./picked.ts";
import type { Line, LogSource } from "./source.ts";
import { plain } from "./text.ts";
import { indexOf, type LogWindow } from "./window.ts";

/** The lines of a window that are picked; whole: there are no others. */
export function pickedIn(window: LogWindow, { from, to }: Picked): { lines: readonly Line[]; whole: boolean } {
  const { lines } = window;
  return {
    lines: lines.slice(indexOf(lines, from), indexOf(lines, to + 1)),
    whole:
      (window.older === null || (lines[0]?.pos ?? 0) <= from) &&
      (window.newer === null || (lines.at(-1)?.pos ?? 0) >= to),
  };
}

/** Copies what is picked as text, oldest line first; those that the page does not hold are fetched. Whether it did. */
export async function copyPicked(source: LogSource, window: LogWindow, picked: Picked): Promise<boolean> {
  const held = pickedIn(window, picked);
  try {
    const { lines, whole } = held.whole ? held : await linesBetween(source, picked);
    const done = await copyAloud(lines.map((l) => plain(l.text)).join("\n"));
    if (!whole) toastError(`Only the first ${count(lines.length, "line")} were copied`, "Download the log for more");
    return done;
  } catch (cause) {
    toastError("The lines could not be fetched", cause);
    return false;
  }
}
