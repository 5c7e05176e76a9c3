import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Run } from "../api/types.ts";
import { shortId } from "../lib/format.ts";
import { StateBadge } from "../ui/state.tsx";
import { TableHead } from "../ui/table.tsx";
import { Ago, Elapsed } from "../ui/time.tsx";
import { usePageTitle } from "./page-title.ts";

/** The head of a page; it names the tab as well. */
export function Heading({
  title,
  tab,
  above,
  below,
  children,
}: {
  title: ReactNode;
  tab: string;
  above?: ReactNode;
  below?: ReactNode;
  children?: ReactNode;
}) {
  usePageTitle(tab);
  return (
    <div className="flex flex-wrap items-start gap-x-4 gap-y-2">
      <div className="min-w-0 flex-1 basis-64">
        {above && <div className="text-sm text-muted">{above}</div>}
        <h1 className="text-xl font-semibold">{title}</h1>
        {below && <div className="mt-1 text-muted">{below}</div>}
      </div>
      {children && <div className="flex flex-wrap gap-2">{children}</div>}
    </div>
  );
}

/** Runs as rows. */
export function RunsTable({ runs, pipeline = true }: { runs: Run[]; pipeline?: boolean }) {
  return (
    <table className="data stack pairs" aria-label="Runs">
      <TableHead columns={["State", "Run", pipeline && "Pipeline", "Created", "Duration"]} />
      <tbody>
        {runs.map((run) => (
          <tr key={run.id}>
            <td data-label="State" className="order-1">
              <span>
                <StateBadge state={run.status} />
              </span>
            </td>
            <td data-label="Run" className="order-3">
              <div className="min-w-0">
                <Link data-row to="/runs/$id" params={{ id: run.id }} className="link font-mono text-sm" title={run.id}>
                  {shortId(run.id, 20)}
                </Link>
                {run.error && (
                  <p className="line-clamp-1 max-w-md text-sm wrap-anywhere text-muted" title={run.error}>
                    {run.error}
                  </p>
                )}
              </div>
            </td>
            {pipeline && (
              <td data-label="Pipeline" className="order-5">
                <Link
                  to="/pipelines/$id"
                  params={{ id: run.pipelineId }}
                  className="block max-w-40 truncate hover:underline"
                  title={run.pipelineId}
                >
                  {run.pipelineId}
                </Link>
              </td>
            )}
            <td data-label="Created" className="order-2 stacked:text-right">
              <Ago at={run.createdAt} className="whitespace-nowrap" />
            </td>
            <td data-label="Duration" className="order-4 stacked:text-right">
              <span className="whitespace-nowrap">
                <Elapsed start={run.startedAt ?? run.createdAt} end={run.completedAt} />
              </span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
