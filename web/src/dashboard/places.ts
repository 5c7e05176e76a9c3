import { routeHash } from "../lib/hash-route.ts";

/** The views that the navigation leads to. */
export const views = ["overview", "workers", "upgrades", "connectivity", "adopt", "settings"] as const;
export type View = (typeof views)[number];

export const viewLabels: Record<View, string> = {
  overview: "Overview",
  workers: "Workers",
  upgrades: "Upgrades",
  connectivity: "Connectivity",
  adopt: "Adopt",
  settings: "Settings",
};

/** Pressed after g, each goes to its view. */
export const viewKeys: Record<View, string> = {
  overview: "o",
  workers: "w",
  upgrades: "u",
  connectivity: "c",
  adopt: "a",
  settings: "s",
};

export const workerTabs = ["overview", "log", "runs", "events"] as const;
export type WorkerTab = (typeof workerTabs)[number];

/** The address of a view. */
export const viewHref = (view: View): string => routeHash(view === "overview" ? [] : [view]);

/** The address of a worker, at a tab. */
export const workerHref = (id: string, tab: WorkerTab = "overview", search?: Record<string, string>): string =>
  routeHash(["workers", id, ...(tab === "overview" ? [] : [tab])], search);

/** Which view a path is of; null for an address that leads nowhere. */
export function viewOf(path: string[]): View | null {
  const [first = "overview"] = path;
  return views.find((view) => view === first) ?? null;
}
