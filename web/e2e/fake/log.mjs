// Logs as both servers answer questions about them: searched, in pages, as files.
import { sendJSON } from "./static.mjs";

const iso = (at) => new Date(at).toISOString();

/** The lines of a worker's log. */
export const ofWorker = { text: (l) => l.line, mark: (l) => l.stream, at: (l) => l.ts, markedBy: "stream" };
/** The lines of a task's. */
export const ofTask = { text: (l) => l.text, mark: (l) => l.level, at: (l) => l.at, markedBy: "level" };

/** Answers what is asked of the lines of one log. */
export function answerLog(res, url, lines, of) {
  const query = url.searchParams;
  let find;
  try {
    find = finder(query);
  } catch {
    const why = "This is not a regular expression: missing closing )";
    return sendJSON(res, 400, { error: why, message: why, code: "invalid", requestId: "req_fake" });
  }
  const mark = query.get(of.markedBy);
  const fitting = lines.filter((l) => find(of.text(l)) && (!mark || of.mark(l) === mark));
  if (!url.pathname.endsWith("/download")) return sendJSON(res, 200, pageOf(fitting, query));
  const write =
    query.get("format") === "ndjson"
      ? JSON.stringify
      : (l) => [of.at(l) === null ? "" : `${iso(of.at(l))} `, of.mark(l), " ", of.text(l)].join("");
  res.writeHead(200, { "content-type": "text/plain" }).end(fitting.map((l) => `${write(l)}\n`).join(""));
}

function finder(query) {
  const text = query.get("grep") ?? "";
  const any = query.get("ignoreCase") === "1";
  if (query.get("regex") === "1") {
    const pattern = new RegExp(text, any ? "iu" : "u");
    return (line) => pattern.test(line);
  }
  const fold = (t) => (any ? t.toLowerCase() : t);
  return (line) => fold(line).includes(fold(text));
}

function pageOf(lines, query) {
  const limit = Number(query.get("limit") ?? 500);
  const after = query.get("after");
  const before = query.get("before");
  const candidates =
    after !== null
      ? lines.filter((l) => l.pos > Number(after))
      : lines.filter((l) => before === null || l.pos < Number(before));
  const items = after !== null ? candidates.slice(0, limit) : candidates.slice(-limit);
  return {
    items,
    more: candidates.length > items.length,
    older: items[0]?.pos ?? 0,
    newer: items.at(-1)?.pos ?? 0,
    gap: false,
    partial: false,
    ...(query.get("count") === "1" ? { count: lines.length } : {}),
  };
}
