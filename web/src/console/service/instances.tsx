import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { Service, ServiceInstance } from "../../api/types.ts";
import { none } from "../../lib/format.ts";
import { CopyButton } from "../../ui/copy.tsx";
import { StateBadge } from "../../ui/state.tsx";
import { TableHead } from "../../ui/table.tsx";
import { Ago } from "../../ui/time.tsx";
import { hostsQuery } from "../queries/hosts.ts";
import { instancesOf } from "./words.ts";

/** Who serves a service: which worker, where, in which version, and what it does now. */
export function Instances({ service }: { service: Service }) {
  const hosts = useQuery({ ...hostsQuery, enabled: !service.baseUrl });
  const all = instancesOf(service);
  if (all.length === 0) return null;
  return (
    <div className="border-t border-line">
      <Part title="Served by" />
      <table className="data stack" aria-label={`Who serves ${service.id}`}>
        <TableHead
          columns={[service.baseUrl ? "Address" : "Worker", "State", "Version", "Does now", "Last heard of"]}
        />
        <tbody>
          {all.map((i) => (
            <Row
              key={i.workerId ?? i.name}
              instance={i}
              asked={service.version}
              hostId={hosts.data?.find((h) => h.name === i.host)?.id}
            />
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** What the rows below it are, for the eye: the table says it in its name. */
export function Part({ title }: { title: string }) {
  return (
    <p aria-hidden className="border-b border-line bg-sunken px-3 py-1.5 text-sm font-medium">
      {title}
    </p>
  );
}

function Row({ instance: i, asked, hostId }: { instance: ServiceInstance; asked: string; hostId: string | undefined }) {
  return (
    <tr data-instance={i.workerId ?? i.name}>
      <td className="lead">
        {i.workerId ? (
          <Link
            to="/hosts"
            search={{ view: i.workspaceId ? "workers" : "pool", q: i.workerId }}
            className="link font-medium"
          >
            <span className="line-clamp-2">{i.name}</span>
          </Link>
        ) : (
          <span className="inline-flex items-center gap-0.5">
            <code className="font-mono wrap-anywhere">{i.name}</code>
            <CopyButton text={i.name} label="Copy address" />
          </span>
        )}
        {i.host && i.host !== i.name && (
          <p className="line-clamp-1 text-sm text-muted">
            on{" "}
            {hostId ? (
              <Link to="/hosts/$id" params={{ id: hostId }} className="hover:underline">
                {i.host}
              </Link>
            ) : (
              i.host
            )}
          </p>
        )}
      </td>
      <td data-label="State">
        <span>
          <StateBadge state={i.status} />
        </span>
      </td>
      <td data-label="Version">
        {i.version ? (
          <span className={i.version === asked ? "" : "text-warn"}>{i.version}</span>
        ) : (
          <span className="text-muted">{none}</span>
        )}
      </td>
      <td data-label="Does now" className="wrap-anywhere">
        {i.currentTaskId && i.currentRunId ? (
          <Link to="/runs/$id" params={{ id: i.currentRunId }} search={{ task: i.currentTaskId }} className="link">
            {i.currentTaskId}
          </Link>
        ) : (
          i.currentTaskId || <span className="text-muted">{none}</span>
        )}
      </td>
      <td data-label="Last heard of">
        <Ago at={i.lastSeenAt} className="whitespace-nowrap" />
      </td>
    </tr>
  );
}
