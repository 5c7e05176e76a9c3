import type { DeadLetter } from "../../api/types.ts";

/** Dead letters of one task that failed with the same words. */
export interface LetterGroup {
  key: string;
  task: string;
  error: string;
  letters: DeadLetter[];
  newest: string;
  oldest: string;
}

/**
 * What errors have in common: the first line, without what differs from one case to the next: ids, numbers, quoted names,
 * addresses of memory.
 */
export function fingerprint(error: string): string {
  const line = error.split("\n", 1)[0] ?? "";
  return line
    .replace(/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{4,}\b/gi, "…")
    .replace(/\b0x[0-9a-f]+\b/gi, "…")
    .replace(/\b[a-z]+_[0-9a-z]{8,}\b/gi, "…")
    .replace(/"[^"]*"|'[^']*'/g, "…")
    .replace(/\d+(?:[.:]\d+)*/g, "…")
    .slice(0, 300)
    .trim();
}

/** Puts together what failed alike, the largest group first. */
export function groupLetters(letters: readonly DeadLetter[]): LetterGroup[] {
  const groups = new Map<string, LetterGroup>();
  for (const letter of letters) {
    const key = `${letter.taskId}\n${fingerprint(letter.error)}`;
    const at = letter.failedAt ?? "";
    const group = groups.get(key);
    if (group) {
      group.letters.push(letter);
      if (at > group.newest) group.newest = at;
      if (at < group.oldest) group.oldest = at;
    } else
      groups.set(key, { key, task: letter.taskId, error: letter.error, letters: [letter], newest: at, oldest: at });
  }
  return [...groups.values()].sort((a, b) => b.letters.length - a.letters.length || b.newest.localeCompare(a.newest));
}
