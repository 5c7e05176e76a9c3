import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Boxes, ChevronDown } from "lucide-react";
import { useState } from "react";
import type { Service } from "../../api/types.ts";
import { count } from "../../lib/format.ts";
import { Command } from "../../ui/copy.tsx";
import { Awaited, Empty, Failure, Loading } from "../../ui/panel.tsx";
import { StateBadge } from "../../ui/state.tsx";
import { TableHead } from "../../ui/table.tsx";
import { Ago } from "../../ui/time.tsx";
import { Heading } from "../parts.tsx";
import { rolloutsQuery } from "../queries/rollouts.ts";
import { serviceQuery, servicesQuery } from "../queries/services.ts";
import { Instances, Part } from "../service/instances.tsx";
import { otherVersions, remedyOf, rolloutOfWorkers, takersOf } from "../service/words.ts";

export function ServicesPage() {
  const services = useQuery(servicesQuery);
  return (
    <>
      <Heading
        title="Services"
        tab="Services"
        below="What workers registered: which tasks each service has, in which version, and who serves it now."
      />
      {services.data ? (
        services.data.length > 0 ? (
          <ul className="space-y-3">
            {services.data.map((s) => (
              <ServiceCard key={s.id} service={s} open={services.data.length === 1} />
            ))}
          </ul>
        ) : (
          <div className="card">
            <Empty
              icon={Boxes}
              title="No services yet"
              command={`pipedai-orchestrator connect --api-url ${window.location.origin}`}
            >
              A worker registers its service when it starts. Connect a host, and it appears here:
            </Empty>
          </div>
        )
      ) : services.isError ? (
        <div className="card">
          <Failure
            what="The services could not be loaded"
            error={services.error}
            retry={() => void services.refetch()}
          />
        </div>
      ) : (
        <Loading lines={4} />
      )}
    </>
  );
}

function ServiceCard({ service: s, open: atFirst }: { service: Service; open: boolean }) {
  const [open, setOpen] = useState(atFirst);
  return (
    <li className="card overflow-hidden" data-service={s.id} data-health={s.health}>
      <div className="flex flex-wrap items-center gap-x-4 gap-y-1 px-3 py-2.5">
        <button
          data-row
          type="button"
          aria-expanded={open}
          className="flex min-w-0 flex-1 basis-56 items-center gap-2 text-left"
          onClick={() => setOpen(!open)}
        >
          <ChevronDown aria-hidden className={`size-4 shrink-0 text-muted ${open ? "" : "-rotate-90"}`} />
          <span className="min-w-0">
            <span className="block truncate font-semibold">{s.id}</span>
            <span className="block text-sm text-muted">
              {s.version} · {count(s.taskCount, "task")} · heard of <Ago at={s.lastHeartbeat} />
            </span>
          </span>
        </button>
        <span className="flex items-center gap-x-4 max-sm:pl-6">
          <span className="text-sm text-muted">{takersOf(s)}</span>
          <StateBadge state={s.health} />
        </span>
      </div>
      <Condition service={s} />
      {open && (
        <>
          <Instances service={s} />
          <Tasks id={s.id} />
        </>
      )}
    </li>
  );
}

/** What is not as it should be with a service, and what helps; nothing while all is well. */
function Condition({ service: s }: { service: Service }) {
  const versions = otherVersions(s);
  const rollouts = useQuery({ ...rolloutsQuery, enabled: versions !== null });
  const rollout = rolloutOfWorkers(rollouts.data);
  const unserved = s.health === "unserved";
  if (!versions && !s.healthReason) return null;
  const remedy = unserved ? remedyOf(s, window.location.origin) : null;
  return (
    <div className="space-y-1.5 px-3 pb-3 pl-9">
      {s.healthReason && (
        <p className={`text-sm ${unserved ? "text-bad" : "text-warn"}`}>
          {s.healthReason}.{unserved && " What is queued for it waits."}
        </p>
      )}
      {versions && (
        <p className="text-sm text-warn">
          {versions}.{" "}
          {rollout && (
            <Link to="/rollouts/$id" params={{ id: rollout.id }} className="link">
              A rollout of {rollout.program} {rollout.version} is{" "}
              {rollout.status === "running" ? "under way" : rollout.status}
            </Link>
          )}
        </p>
      )}
      {remedy && (
        <div className="max-w-2xl space-y-1">
          <p className="text-sm text-muted">{remedy.where}</p>
          <Command text={remedy.command} />
        </div>
      )}
    </div>
  );
}

function Tasks({ id }: { id: string }) {
  const detail = useQuery(serviceQuery(id));
  if (!detail.data) {
    return (
      <div className="border-t border-line">
        <Awaited query={detail} what="The tasks could not be loaded" />
      </div>
    );
  }
  return (
    <div className="border-t border-line">
      <Part title="Tasks" />
      <table className="data stack" aria-label={`Tasks of ${id}`}>
        <TableHead columns={["Task", "Next", "Code", "Limits"]} />
        <tbody>
          {(detail.data.tasks ?? []).map((t) => (
            <tr key={t.id}>
              <td className="lead">
                <Link data-row to="/tasks/$id" params={{ id: t.id }} className="link font-medium">
                  {t.id}
                </Link>
                {t.description && <p className="text-sm text-muted">{t.description}</p>}
              </td>
              <td data-label="Next" className="wrap-anywhere">
                {t.allowedNext?.length ? t.allowedNext.join(", ") : <span className="text-muted">ends here</span>}
              </td>
              <td data-label="Code">
                <span>
                  version {t.codeVersion}
                  <span className="block font-mono text-sm text-muted" title={t.codeHash}>
                    {t.codeHash.slice(0, 12)}
                  </span>
                </span>
              </td>
              <td data-label="Limits">
                <span className="text-sm text-muted">
                  {t.timeout} s, {count(t.retries, "retry", "retries")}
                  {t.concurrency > 0 && `, ${t.concurrency} at a time`}
                </span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
