import type { Json } from "../../api/types.ts";
import { plain } from "../../log/text.ts";

const most = 2_000;
const blockMost = 140;

/** The payload of an event as a line of text: what a model said, which tools it used; else its text, its result, its JSON. */
export function sayEvent(payload: Json): string {
  const blocks = contentOf(payload);
  if (blocks) {
    const said = blocks.map(sayBlock).filter(Boolean).join("  ");
    if (said) return cut(said, most);
  }
  const text = member(payload, "text") ?? member(payload, "message") ?? member(payload, "result");
  return cut(typeof text === "string" ? clean(text) : JSON.stringify(text ?? payload), most);
}

function contentOf(payload: Json): Json[] | null {
  const message = member(payload, "message");
  const content = member(message ?? null, "content") ?? member(payload, "content");
  return Array.isArray(content) ? content : null;
}

function sayBlock(block: Json): string {
  const show = (value: Json | undefined) =>
    cut(typeof value === "string" ? clean(value) : JSON.stringify(value ?? null), blockMost);
  switch (member(block, "type")) {
    case "text": {
      const text = member(block, "text");
      return typeof text === "string" ? clean(text) : "";
    }
    case "tool_use":
      return `🔧 ${String(member(block, "name") ?? "")} ${show(member(block, "input"))}`;
    case "tool_result":
      return `→ ${show(member(block, "content"))}`;
    default:
      return "";
  }
}

function member(value: Json, name: string): Json | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value[name] : undefined;
}

// Lines stay lines; what would only steer a terminal goes.
const clean = (text: string) => text.split("\n").map(plain).join("\n");
const cut = (text: string, at: number) => (text.length > at ? `${text.slice(0, at)}…` : text);
