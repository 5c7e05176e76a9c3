const blockLimit = 140;
const textLimit = 2_000;

/** A piece of what a run event says. */
interface RunPiece {
  kind: "text" | "tool" | "result";
  text: string;
}

type Dict = { [key: string]: unknown };

const isDict = (value: unknown): value is Dict => typeof value === "object" && value !== null && !Array.isArray(value);

const cut = (text: string, limit: number) => (text.length > limit ? `${text.slice(0, limit)}…` : text);

const inline = (value: unknown): string => (typeof value === "string" ? value : (JSON.stringify(value) ?? ""));

/**
 * What an event of a run says, in a line: its content blocks one after the other (what was said, which tool was called with
 * what, what came back), else the text or the result of its payload, else all of it.
 */
export function runPieces(payload: unknown): RunPiece[] {
  const whole = (text: string): RunPiece[] => [{ kind: "text", text: cut(text, textLimit) }];
  if (!isDict(payload)) return whole(payload === null || payload === undefined ? "" : inline(payload));
  const message = payload.message;
  const content = Array.isArray(payload.content) ? payload.content : isDict(message) ? message.content : undefined;
  if (Array.isArray(content)) {
    const pieces = content.flatMap(blockPiece);
    if (pieces.length > 0) return shortened(pieces);
  }
  if (typeof payload.text === "string") return whole(payload.text);
  if (payload.result !== undefined && payload.result !== null) return whole(inline(payload.result));
  return whole(inline(payload));
}

function blockPiece(block: unknown): RunPiece[] {
  if (!isDict(block)) return [];
  switch (block.type) {
    case "text":
      return [{ kind: "text", text: inline(block.text ?? "") }];
    case "tool_use":
      return [{ kind: "tool", text: `${inline(block.name ?? "tool")} ${cut(inline(block.input ?? {}), blockLimit)}` }];
    case "tool_result":
      return [{ kind: "result", text: cut(resultText(block.content), blockLimit) }];
    default:
      return [];
  }
}

/** What a tool gave back is text, or blocks of it again. */
function resultText(content: unknown): string {
  if (!Array.isArray(content)) return inline(content ?? "");
  return content.map((b) => (isDict(b) && typeof b.text === "string" ? b.text : inline(b))).join(" ");
}

/** The limit holds for a line as a whole. */
function shortened(pieces: RunPiece[]): RunPiece[] {
  let left = textLimit;
  const out: RunPiece[] = [];
  for (const piece of pieces) {
    if (left <= 0) break;
    out.push({ ...piece, text: cut(piece.text, left) });
    left -= piece.text.length;
  }
  return out;
}

/** The same as one text, to copy: two spaces between the pieces. */
export const runText = (payload: unknown): string =>
  runPieces(payload)
    .map((p) => `${{ text: "", tool: "🔧 ", result: "→ " }[p.kind]}${p.text}`)
    .join("  ");
