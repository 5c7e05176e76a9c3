import { preference } from "../lib/preference.ts";

/** A filter of the list of runs that somebody gave a name. It holds what stands in the address. */
export interface View {
  name: string;
  search: Record<string, string | number>;
}

const stored = preference<string>("pipeweave_runs_views", "[]", () => true);
const longestName = 40;
const most = 20;

/** The views as they were stored; whatever is none is left out. */
export function readViews(text: string): View[] {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    return [];
  }
  if (!Array.isArray(list)) return [];
  return list.filter(isView).slice(0, most);
}

function isView(value: unknown): value is View {
  if (typeof value !== "object" || value === null) return false;
  const { name, search } = value as Partial<View>;
  return (
    typeof name === "string" &&
    name !== "" &&
    typeof search === "object" &&
    search !== null &&
    Object.values(search).every((v) => typeof v === "string" || typeof v === "number")
  );
}

/** What of an address is a filter: not the page of the list. */
export function filterOf(search: Record<string, unknown>): View["search"] {
  const entries = Object.entries(search)
    .filter((e): e is [string, string | number] => typeof e[1] === "string" || typeof e[1] === "number")
    .filter(([key]) => key !== "page");
  return Object.fromEntries(entries.sort(([a], [b]) => a.localeCompare(b)));
}

export const sameFilter = (a: Record<string, unknown>, b: Record<string, unknown>): boolean =>
  JSON.stringify(filterOf(a)) === JSON.stringify(filterOf(b));

/** The list with one more; of one name there is one, and the oldest makes room. */
export function withView(views: readonly View[], name: string, search: Record<string, unknown>): View[] {
  const short = name.trim().slice(0, longestName);
  if (short === "") return [...views];
  return [...views.filter((v) => v.name !== short), { name: short, search: filterOf(search) }].slice(-most);
}

export const useViews = (): View[] => readViews(stored.use());
export const keepView = (name: string, search: Record<string, unknown>) =>
  stored.set(JSON.stringify(withView(readViews(stored.get()), name, search)));
export const dropView = (name: string) =>
  stored.set(JSON.stringify(readViews(stored.get()).filter((v) => v.name !== name)));
