import { useQuery } from "@tanstack/react-query";
import { Plus, Search, Server } from "lucide-react";
import { lazy, Suspense } from "react";
import type { FusedWorker } from "../../api/types.ts";
import { count } from "../../lib/format.ts";
import { setSearch, useRoute } from "../../lib/hash-route.ts";
import { Button } from "../../ui/button.tsx";
import { FilterSelect } from "../../ui/field.tsx";
import { Awaited, Empty, Panel } from "../../ui/panel.tsx";
import { cli } from "../cli.ts";
import { workersQuery } from "../queries.ts";
import { type SortKey, searched, sorted, sortKeys } from "./worker-state.ts";
import { WorkersTable } from "./workers-table.tsx";

const BuildDialog = lazy(async () => ({ default: (await import("./build-dialog.tsx")).BuildDialog }));

const orders: Record<SortKey, string> = {
  host: "As on the host",
  name: "By name",
  state: "By state",
  version: "By version",
  restarts: "By restarts",
  memory: "By memory",
};

/** All workers of the host. What is looked for and the order stand in the address. */
export function WorkersView({ frozen }: { frozen: boolean }) {
  const { search } = useRoute();
  const workers = useQuery(workersQuery);
  const typed = search.get("q") ?? "";
  const sort = sortKeys.find((key) => key === search.get("sort")) ?? "host";
  const reverse = search.get("down") === "1";
  const building = search.get("build") === "1";
  const list = workers.data;
  const shown = list && sorted(searched(list, typed), sort, reverse);
  const onSort = (key: SortKey) =>
    setSearch({ sort: key === "host" ? undefined : key, down: key === sort && !reverse ? "1" : undefined });
  return (
    <>
      <h1 className="sr-only">Workers</h1>
      <Panel
        title="Workers"
        aside={
          <>
            {list && list.length > 0 && <span className="text-sm text-muted">{summary(list)}</span>}
            <Button size="sm" variant="primary" icon={Plus} disabled={frozen} onClick={() => setSearch({ build: "1" })}>
              Build worker
            </Button>
          </>
        }
      >
        {list && list.length > 0 && (
          <div className="flex flex-wrap items-center gap-2 border-b border-line px-3 py-2">
            <label className="relative min-w-44 flex-1">
              <span className="sr-only">Search workers</span>
              <Search aria-hidden className="pointer-events-none absolute top-2.5 left-2.5 size-4 text-muted" />
              <input
                data-search
                type="search"
                className="field w-full pl-8"
                placeholder="Name, id, state, version…"
                value={typed}
                onChange={(e) => setSearch({ q: e.target.value || undefined })}
              />
            </label>
            <FilterSelect label="Order" value={sort} onChange={(key) => onSort((key ?? "host") as SortKey)}>
              {sortKeys.map((key) => (
                <option key={key} value={key}>
                  {orders[key]}
                </option>
              ))}
            </FilterSelect>
            <span role="status" className="text-sm text-muted">
              {typed && shown ? `${shown.length} of ${count(list.length, "worker")}` : ""}
            </span>
          </div>
        )}
        {shown === undefined ? (
          <Awaited query={workers} what="The workers could not be loaded" />
        ) : list?.length === 0 ? (
          <Empty icon={Server} title="No workers on this host yet" command={cli("build", "--label", "my-worker")}>
            A worker runs the tasks of your pipelines on this machine. The host has nothing to keep running; build one
            here or from a shell, and it appears by itself.
          </Empty>
        ) : shown.length === 0 ? (
          <Empty
            icon={Search}
            title="No worker fits"
            action={<Button onClick={() => setSearch({ q: undefined })}>Clear the search</Button>}
          >
            Nothing here has “{typed}” in its name, id, state, version or control plane.
          </Empty>
        ) : (
          <WorkersTable workers={shown} frozen={frozen} sort={sort} reverse={reverse} onSort={onSort} />
        )}
      </Panel>
      {building && (
        <Suspense fallback={null}>
          <BuildDialog workers={list ?? []} onClose={() => setSearch({ build: undefined })} />
        </Suspense>
      )}
    </>
  );
}

function summary(list: FusedWorker[]): string {
  const running = list.filter((w) => w.local?.state === "running").length;
  return `${running} of ${list.length} running`;
}
