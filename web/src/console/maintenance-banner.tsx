import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Wrench } from "lucide-react";
import type { Maintenance } from "../api/types.ts";
import { count } from "../lib/format.ts";
import { Ago } from "../ui/time.tsx";
import { maintenanceQuery } from "./queries/maintenance.ts";

/** On every page: no new work is accepted, since when, by whom and why. */
export function MaintenanceBanner() {
  const { data } = useQuery(maintenanceQuery);
  if (!data || data.mode === "running") return null;
  return (
    <div
      role="status"
      className="tone-warn tint flex flex-wrap items-center gap-x-3 gap-y-1 border-b px-4 py-2"
      data-mode={data.mode}
    >
      <Wrench aria-hidden className="size-4 shrink-0" />
      <p className="min-w-0 flex-1">
        <strong className="font-semibold">{title(data)}</strong>{" "}
        {data.by && (
          <span className="wrap-anywhere">
            {data.by}
            {data.reason && `: ${data.reason}`},{" "}
          </span>
        )}
        <Ago at={data.modeChangedAt} />.
      </p>
      <Link to="/queue" hash="maintenance" className="link text-sm">
        See what is left
      </Link>
    </div>
  );
}

/** What the mode means for who wants to start something. */
function title(m: Maintenance): string {
  if (m.mode === "maintenance") return "Maintenance: no new work is accepted.";
  return `Maintenance is coming: no new work is accepted, ${count(m.pendingTasks + m.runningTasks, "task")} left to end.`;
}
