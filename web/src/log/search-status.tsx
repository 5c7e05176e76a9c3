import { count } from "../lib/format.ts";
import { describe } from "../ui/toast.tsx";
import type { LogSearch } from "./use-search.ts";

/** What came of the search, for eyes and screen readers. */
export function SearchStatus({ search, typed, flip }: { search: LogSearch; typed: string; flip: boolean }) {
  let text = "";
  if (search.error) text = `The search failed: ${describe(search.error)}`;
  else if (search.busy) text = "Searching…";
  else if (search.total === 0 && !search.atLeast) text = `No line holds “${typed}”.`;
  else if (search.total !== null) {
    const all = `${search.atLeast ? "at least " : ""}${count(search.total, "match", "matches")}`;
    text = search.nth !== null ? `${search.nth} of ${all}` : all;
    if (search.ended) text += (search.ended === "older") === flip ? "; none further down" : "; none further up";
  } else if (search.nth !== null || search.ended !== null) text = "Counting…";
  return (
    <p role="status" className={text === "" ? "sr-only" : "border-b border-line px-3 py-1 text-sm text-muted"}>
      {text}
    </p>
  );
}
