import { useQuery } from "@tanstack/react-query";
import { RefreshCw, Search } from "lucide-react";
import type { AdoptItem } from "../../api/types.ts";
import { CopyCommand } from "../../ui/action.tsx";
import { Button } from "../../ui/button.tsx";
import { Awaited, Empty, Panel } from "../../ui/panel.tsx";
import { cli } from "../cli.ts";
import { UnderWay } from "../operations/under-way.tsx";
import { adoptableQuery } from "../queries.ts";
import { AdoptRow } from "./adopt-row.tsx";

const ranks = [
  "unfinished",
  "failed",
  "running",
  "adoptable",
  "adopted",
  "taken-over",
  "managed",
  "undone",
  "unusable",
];
const rank = (item: AdoptItem) => (ranks.indexOf(item.status) + ranks.length) % ranks.length;

/** Workers that were set up by hand on this host, what runs them, and the way to have the daemon run them. */
export function AdoptView({ frozen }: { frozen: boolean }) {
  const survey = useQuery(adoptableQuery);
  const items = survey.data?.items ?? [];
  return (
    <div className="space-y-4">
      <h1 className="sr-only">Adopt</h1>
      <UnderWay about={(op) => op.kind.startsWith("adopt")} frozen={frozen} />
      <Panel
        title="Workers that were set up by hand"
        aside={
          <>
            <CopyCommand command={cli("adopt", "--dry-run")} />
            <Button
              size="sm"
              icon={RefreshCw}
              pending={survey.isFetching}
              disabled={frozen}
              onClick={() => void survey.refetch()}
            >
              Look again
            </Button>
          </>
        }
      >
        <p className="border-b border-line px-3 py-2 text-sm text-muted">
          The daemon looks for files of workers in the folder of the host, and for processes and units of service
          managers that run them. Looking changes nothing. Adopting leaves the file where it is, registers nothing anew
          and changes no token.
        </p>
        {survey.data === undefined ? (
          <Awaited query={survey} what="The host could not be looked over" />
        ) : items.length === 0 ? (
          <Empty icon={Search} title="There is nothing to adopt" command={cli("adopt", "--dry-run", "--dir", "FOLDER")}>
            No worker.json or worker.NAME.json lies in the folder of the host. Workers of another folder are found from
            a shell.
          </Empty>
        ) : (
          <ul className="divide-y divide-line">
            {items
              .toSorted((a, b) => rank(a) - rank(b))
              .map((item) => (
                <AdoptRow key={item.path} item={item} frozen={frozen} />
              ))}
          </ul>
        )}
      </Panel>
    </div>
  );
}
