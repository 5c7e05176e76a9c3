import { colours, type Look } from "./colour.ts";

/** A piece of a line with one look. */
export interface Piece extends Look {
  text: string;
  /** Where it leads to, when it is an address. */
  href: string | null;
  /** It is what was searched for. */
  found: boolean;
}

/** How much of a line is shown before somebody asks for the rest. */
export const shownLength = 4_000;
export const isCut = ({ text }: { text: string }): boolean => text.length > shownLength;

// Everything that steers a terminal but is no colour: cursor, title, other controls.
const steering =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /\u001b\[[0-?]*[ -/]*(?:[@-ln-~]|(?![ -~]))|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)|\u001b[^[\]]|[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f\u0080-\u009f]/g;
// Characters that turn the direction of what follows, with which a line can be made to read as another.
const turning = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: an address ends where a colour begins
const address = /https?:\/\/[^\s<>"'`\u001b]+[^\s<>"'`\u001b.,;:!?)\]}]/g;

/**
 * A line without what only steers a terminal: of a bar that draws over itself the last state is left, and what turns the
 * direction of writing is spelled out.
 */
export function readable(line: string): string {
  const drawn = line.includes("\r") ? (line.split("\r").filter(Boolean).at(-1) ?? "") : line;
  return drawn
    .replace(steering, "")
    .replace(turning, (c) => `⟨U+${c.codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0")}⟩`);
}

/** The line as it reads, without colours: what is searched, copied and saved. */
export function plain(line: string): string {
  return colours(readable(line))
    .map((part) => part.text)
    .join("");
}

/**
 * What finds a text in a line; null for an expression that is not tried here. Searches run on the server, in a time that
 * grows with the log alone; here an expression only marks what it matches, and one that could keep a tab busy for minutes
 * over one line does not.
 */
export function finder(find: string, regex: boolean, ignoreCase: boolean): RegExp | null {
  if (!regex) return new RegExp(find.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"), ignoreCase ? "giu" : "gu");
  const whole = /^\(\?i\)/.test(find);
  const pattern = whole ? find.slice(4) : find;
  if (!isQuick(pattern)) return null;
  try {
    return new RegExp(pattern, ignoreCase || whole ? "giu" : "gu");
  } catch {
    return null; // the server's kind of expressions is not quite this one's
  }
}

/**
 * Whether the tries for one line grow with its length by no more than its square: little repeats, nothing that repeats is
 * repeated, and there are few ways to go.
 */
function isQuick(pattern: string): boolean {
  const bare = pattern.replace(/\\./gu, "x").replace(/\[\^?\]?[^\]]*\]/gu, "x");
  const endless = bare.match(/[*+]|\{\d+,/gu) ?? [];
  const ways = bare.match(/[?|]/gu) ?? [];
  const nested = /\)(?:[*+]|\{)|\{\d{3,}/u.test(bare);
  return endless.length <= 1 && ways.length <= 10 && !nested && !/\\\d/u.test(pattern);
}

/** A line in pieces: its colours, its addresses, and what was searched for. */
export function pieces(line: string, find: RegExp | null): Piece[] {
  const parts = colours(readable(line));
  const text = parts.map((part) => part.text).join("");
  const links = ranges(text, address);
  const founds = find ? ranges(text, find) : [];
  const cuts = [...new Set([...links, ...founds].flat())].sort((a, b) => a - b);
  const out: Piece[] = [];
  let at = 0;
  for (const { text: part, look } of parts) {
    const end = at + part.length;
    for (const [from, to] of between(at, end, cuts)) {
      const link = within(links, from);
      out.push({
        text: text.slice(from, to),
        ...look,
        color: look.reverse ? look.background : look.color,
        background: look.reverse ? look.color : look.background,
        href: link ? text.slice(...link) : null,
        found: within(founds, from) !== undefined,
      });
    }
    at = end;
  }
  return out;
}

function ranges(text: string, pattern: RegExp): [number, number][] {
  const out: [number, number][] = [];
  for (const match of text.matchAll(pattern)) {
    if (match[0] !== "") out.push([match.index, match.index + match[0].length]);
    if (out.length >= 200) break; // nobody reads so many in one line
  }
  return out;
}

const within = (all: [number, number][], at: number) => all.find(([from, to]) => at >= from && at < to);

/** The parts of [from, to) between the cuts. */
function between(from: number, to: number, cuts: number[]): [number, number][] {
  const edges = [from, ...cuts.filter((c) => c > from && c < to), to];
  return edges.slice(1).flatMap((end, i) => (end > (edges[i] ?? 0) ? [[edges[i] ?? 0, end] as [number, number]] : []));
}
