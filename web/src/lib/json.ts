// In lib.es2023 JSON does not know yet that it can keep a number's text.
const native = JSON as { rawJSON?: (text: string) => unknown };

/**
 * Reads JSON. A number that would be written differently than it was keeps its text, where the browser can do that: a
 * long id must not change because somebody looked at it.
 */
export function parseJSON(text: string): unknown {
  return JSON.parse(text, (_key: string, value: unknown, context?: { source?: string }) =>
    typeof value === "number" && context?.source !== undefined && context.source !== String(value) && native.rawJSON
      ? native.rawJSON(context.source)
      : value,
  );
}

/** JSON text laid out for people, or null if it is not JSON. */
export function prettyJSON(text: string): string | null {
  return jsonProblem(text) === null ? JSON.stringify(parseJSON(text), null, 2) : null;
}

/** JSON text in one line. The text has to be JSON. */
export function compactJSON(text: string): string {
  return JSON.stringify(parseJSON(text));
}

/** Where JSON text goes wrong, in words a person can act on; null if it does not. */
export function jsonProblem(text: string): string | null {
  try {
    JSON.parse(text);
    return null;
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    const position = /position (\d+)/.exec(message)?.[1];
    if (position === undefined) return message;
    const before = text.slice(0, Number(position)).split("\n");
    return `${message.replace(/ in JSON at position.*$/, "")} (line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1})`;
  }
}
