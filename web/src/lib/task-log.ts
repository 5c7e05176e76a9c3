import { instant, plainText } from "./format.ts";

/** A line of a task's log. */
export interface LogEntry {
  /** In ms; null where the line does not say. */
  at: number | null;
  level: string;
  text: string;
}

/** Reads the log object of a task run, one JSON object a line. A line that is something else is shown as it is. */
export function parseLog(jsonl: string): LogEntry[] {
  return jsonl
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map(entry);
}

function entry(line: string): LogEntry {
  try {
    const { timestamp, level, message, runId: _, ...more } = JSON.parse(line);
    if (typeof message === "string") {
      const fields = Object.entries(more)
        .filter(([name]) => name !== "stream")
        .map(([name, value]) => ` ${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
      return {
        at: instant(timestamp),
        level: typeof level === "string" ? level : "info",
        text: plainText(message + fields.join("")),
      };
    }
  } catch {
    // Not ours; a person reads it all the same.
  }
  return { at: null, level: "info", text: plainText(line) };
}
