import { useEffect, useRef } from "react";

/** Something the command palette offers. */
export interface Command {
  /** Unique among what is offered at a time. */
  id: string;
  label: string;
  /** The heading it stands under: "Go to", "This run", ... */
  group: string;
  /** More words it is found by. */
  words?: string;
  /** The keys that do the same. */
  keys?: string;
  run: () => void;
}

/** Finds more by what was typed: runs by id, hosts by name. */
export type CommandSource = (typed: string, signal: AbortSignal) => Promise<Command[]>;

const offered = new Set<{ current: Command[] }>();
const sources = new Set<{ current: CommandSource }>();

/** Offers commands while the component is mounted. */
export function useCommands(commands: Command[]): void {
  useRegistered(offered, commands);
}

/** Offers what a search finds while the component is mounted. */
export function useCommandSource(source: CommandSource): void {
  useRegistered(sources, source);
}

function useRegistered<T>(registry: Set<{ current: T }>, value: T): void {
  const ref = useRef(value);
  useEffect(() => {
    ref.current = value;
  });
  useEffect(() => {
    registry.add(ref);
    return () => {
      registry.delete(ref);
    };
  }, [registry]);
}

/** What is offered now, the latest component's first; of two with one id the later counts. */
export function offeredCommands(): Command[] {
  const seen = new Set<string>();
  return [...offered]
    .reverse()
    .flatMap((ref) => ref.current)
    .filter((command) => !seen.has(command.id) && seen.add(command.id));
}

export function commandSources(): CommandSource[] {
  return [...sources].map((ref) => ref.current);
}

/**
 * The commands that fit what was typed, the best first: every word typed has to begin a word of the command. Where the
 * label itself begins so, it comes first.
 */
export function matchCommands(commands: Command[], typed: string): Command[] {
  const wanted = typed.toLowerCase().split(/\s+/).filter(Boolean);
  if (wanted.length === 0) return commands;
  const fits = commands.filter((command) => {
    const words = `${command.label} ${command.group} ${command.words ?? ""}`.toLowerCase().split(/[^\p{L}\p{N}]+/u);
    return wanted.every((w) => words.some((word) => word.startsWith(w)) || command.label.toLowerCase().includes(w));
  });
  const rank = (command: Command) => (command.label.toLowerCase().startsWith(wanted[0] ?? "") ? 0 : 1);
  return fits.sort((a, b) => rank(a) - rank(b)); // stable: else the order they were offered in
}
