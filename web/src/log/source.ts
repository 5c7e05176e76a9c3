/** One line of a log. */
export interface Line {
  /** Grows from line to line; a line keeps it as long as it is held anywhere. */
  pos: number;
  /** ms; null where the log does not tell. */
  at: number | null;
  text: string;
  /** "err" and "error" stand out. */
  mark: "out" | "err" | "debug" | "info" | "warn" | "error";
}

/** What lines are asked for. Without before and after: the newest. */
export interface LogQuery {
  /** The newest lines before a position. */
  before?: number;
  /** The oldest lines behind a position; -1 begins with the first. */
  after?: number;
  limit: number;
  /** Only lines that hold this text, or match it as a regular expression. */
  find?: string;
  regex?: boolean;
  ignoreCase?: boolean;
  /** Only lines with this mark. */
  mark?: Line["mark"];
  /** Count all lines that fit, too. */
  count?: boolean;
}

/** Some lines, oldest first. */
export interface LogPage {
  lines: Line[];
  /** From where the question goes on in its direction, as before or after; null: there is nothing more. */
  next: number | null;
  /** The search took too long, and got no further than next. */
  partial: boolean;
  /** Lines behind the position that was asked for are no longer held. */
  gap: boolean;
  count: number | null;
  /** There are at least so many. */
  countPartial: boolean;
}

/** What a reader of a log hears: one more line, or that some may be missing. */
export type LogSignal = { line: Line } | { reload: true };

/** What decides whether a line is shown. */
export type LogFilter = Pick<LogQuery, "find" | "regex" | "ignoreCase" | "mark">;

/** The forms of a log that is saved. */
export type LogForm = "text" | "ndjson";

/** Where the lines of one log come from. A viewer that is given another object starts anew. */
export interface LogSource {
  page(query: LogQuery, signal: AbortSignal): Promise<LogPage>;
  /** Hears what is written from now on until the returned function is called; absent where nothing can come any more. */
  listen?(listener: (signal: LogSignal) => void): () => void;
  /** Gets all of it, or what fits the filter. */
  download(filter: LogFilter, form: LogForm): Promise<Blob>;
  /** What a file of it is called, without the ending. */
  file: string;
  /** What to say where there is no line at all. */
  empty: string;
}

/** A server looks for two seconds at most and then says how far it got; it may have to look more than once. */
export const searchLimitMs = 20_000;

/** What both servers answer beside the lines themselves. */
interface Answer<Item> {
  items: Item[] | null;
  older: number;
  newer: number;
  more: boolean;
  partial: boolean;
  gap?: boolean;
  count?: number;
  countPartial?: boolean;
}

/** A query as both servers take it. They differ in what a mark is called: a worker has streams, a task has levels. */
export function logParameters(query: Partial<LogQuery>, markedBy: "stream" | "level"): URLSearchParams {
  const out = new URLSearchParams();
  if (query.limit !== undefined) out.set("limit", String(query.limit));
  if (query.before !== undefined) out.set("before", String(query.before));
  if (query.after !== undefined) out.set("after", String(query.after));
  if (query.find) out.set("grep", query.find);
  if (query.regex) out.set("regex", "1");
  if (query.ignoreCase) out.set("ignoreCase", "1");
  if (query.mark) out.set(markedBy, query.mark);
  if (query.count) out.set("count", "1");
  return out;
}

/** The answer to a query as a page. */
export function logPage<Item>(answer: Answer<Item>, query: LogQuery, line: (item: Item) => Line): LogPage {
  return {
    lines: (answer.items ?? []).map(line),
    next: answer.more ? (query.after !== undefined ? answer.newer : answer.older) : null,
    partial: answer.partial,
    gap: answer.gap ?? false,
    count: answer.count ?? null,
    countPartial: answer.countPartial ?? false,
  };
}
