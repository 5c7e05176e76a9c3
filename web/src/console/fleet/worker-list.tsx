import type { UseQueryResult } from "@tanstack/react-query";
import { Cpu } from "lucide-react";
import type { ReactNode } from "react";
import type { RemoteWorker } from "../../api/types.ts";
import { holdsWords } from "../../lib/match.ts";
import { Button } from "../../ui/button.tsx";
import { FilterText } from "../../ui/field.tsx";
import { Awaited, Empty } from "../../ui/panel.tsx";
import type { HostsSearch } from "../host-filter.ts";
import { workerWord } from "./worker-words.ts";

interface Props {
  workers: UseQueryResult<RemoteWorker[]>;
  /** What could not be loaded. */
  what: string;
  search: HostsSearch;
  set: (change: HostsSearch) => void;
  placeholder: string;
  /** What stands here while there is none at all. */
  none: ReactNode;
  children: (shown: RemoteWorker[]) => ReactNode;
}

/** Workers of one kind, those that fit what somebody typed. */
export function WorkerList({ workers, what, search, set, placeholder, none, children }: Props) {
  if (!workers.data) {
    return (
      <div className="card">
        <Awaited query={workers} what={what} lines={4} />
      </div>
    );
  }
  if (workers.data.length === 0) return <div className="card">{none}</div>;
  const shown = workers.data.filter((w) =>
    holdsWords(search.q, w.id, w.label, w.hostname, w.host, w.os, w.version, workerWord(w)),
  );
  return (
    <div className="space-y-3">
      <search className="flex flex-wrap gap-2">
        <FilterText label={placeholder} value={search.q} onChange={(q) => set({ q })} first />
      </search>
      <div className="card overflow-hidden">
        {shown.length > 0 ? (
          children(shown)
        ) : (
          <Empty
            icon={Cpu}
            title="No worker matches"
            action={<Button onClick={() => set({ q: undefined })}>Clear the filter</Button>}
          >
            There may be workers outside this filter.
          </Empty>
        )}
      </div>
    </div>
  );
}
