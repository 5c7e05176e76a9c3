import { type UseQueryResult, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CircleCheck } from "lucide-react";
import { useState } from "react";
import { useNow } from "../../lib/now.ts";
import { Button } from "../../ui/button.tsx";
import { Failure, Loading, Panel } from "../../ui/panel.tsx";
import { StateIcon } from "../../ui/state.tsx";
import { Ago } from "../../ui/time.tsx";
import { freshLettersQuery, modeQuery, runCountsQuery } from "../queries/counts.ts";
import { pendingQuery } from "../queries/enrollments.ts";
import { hostsQuery } from "../queries/hosts.ts";
import { queueQuery } from "../queries/queue.ts";
import { rolloutsQuery } from "../queries/rollouts.ts";
import { servicesQuery } from "../queries/services.ts";
import { ailing, type Concern, failing, givenUp, idle, joining, stopped, stuck } from "./attention.ts";

const most = 6;

/**
 * What needs somebody, the most urgent first: who waits at a terminal, what stopped, what failed. What could not be looked at
 * says so and keeps nothing else from being shown.
 */
export function Attention() {
  const pending = useQuery(pendingQuery);
  const hosts = useQuery(hostsQuery);
  const rollouts = useQuery(rolloutsQuery);
  const services = useQuery(servicesQuery);
  const runs = useQuery(runCountsQuery(24));
  const queue = useQuery(queueQuery);
  const mode = useQuery(modeQuery);
  const fresh = useQuery(freshLettersQuery);
  const now = useNow();
  const [all, setAll] = useState(false);

  const concerns: Concern[] = [
    ...(pending.data ? joining(pending.data) : []),
    ...(queue.data ? stuck(queue.data, mode.data, now) : []),
    ...(rollouts.data ? stopped(rollouts.data) : []),
    ...(services.data ? idle(services.data) : []),
    ...(hosts.data ? ailing(hosts.data) : []),
    ...(runs.data ? failing(runs.data) : []),
    ...(fresh.data ? givenUp(fresh.data, queue.data?.dlq) : []),
  ];
  const looks: [string, UseQueryResult<unknown>][] = [
    ["Hosts that ask to join", pending],
    ["The hosts", hosts],
    ["The rollouts", rollouts],
    ["The services", services],
    ["The runs of the last day", runs],
    ["The queue", queue],
    ["The maintenance mode", mode],
    ["The dead letters", fresh],
  ];
  const broken = looks.filter(([, look]) => look.isError && look.data === undefined);
  const loading = looks.some(([, look]) => look.isPending);
  const shown = all ? concerns : concerns.slice(0, most);
  return (
    <Panel
      title="Needs attention"
      aside={
        concerns.length > 0 && (
          <span className="rounded-full bg-sunken px-2 text-xs font-semibold tabular-nums" data-concerns>
            {concerns.length}
          </span>
        )
      }
    >
      {concerns.length > 0 && (
        <ul className="divide-y divide-line">
          {shown.map((c) => (
            <Row key={c.key} concern={c} />
          ))}
        </ul>
      )}
      {broken.map(([what, look]) => (
        <Failure
          key={what}
          what={`${what} could not be looked at`}
          error={look.error}
          retry={() => void look.refetch()}
        />
      ))}
      {concerns.length > most && (
        <div className="border-t border-line px-3 py-1.5">
          <Button variant="ghost" size="sm" aria-expanded={all} onClick={() => setAll(!all)}>
            {all ? "Show fewer" : `Show ${concerns.length - most} more`}
          </Button>
        </div>
      )}
      {concerns.length === 0 &&
        (loading ? (
          <Loading lines={2} />
        ) : (
          broken.length === 0 && (
            <p className="tone-ok flex items-start gap-2.5 px-3 py-3">
              <CircleCheck aria-hidden className="tone-text mt-0.5 size-4 shrink-0" />
              <span>
                Nothing does.{" "}
                <span className="text-muted">
                  In the last day no run failed and no dead letter came; every host and service is there, and no rollout
                  is paused.
                </span>
              </span>
            </p>
          )
        ))}
    </Panel>
  );
}

function Row({ concern: c }: { concern: Concern }) {
  return (
    <li className="flex items-start gap-2.5 px-3 py-2" data-concern={c.key}>
      <StateIcon state={c.state} className="mt-0.5 size-4" />
      <div className="flex min-w-0 flex-1 flex-wrap items-baseline gap-x-3 lg:flex-nowrap">
        <p className="max-w-full lg:shrink-0">
          {c.name && (
            <strong className="inline-block max-w-full truncate align-bottom font-semibold lg:max-w-80" title={c.name}>
              {c.name}
            </strong>
          )}{" "}
          {c.text}
        </p>
        {c.detail && (
          <p className="min-w-0 truncate text-sm text-muted" title={c.detail}>
            {c.detail}
          </p>
        )}
      </div>
      {c.at && <Ago at={c.at} className="shrink-0 text-sm whitespace-nowrap text-muted max-sm:hidden" />}
      <Link {...c.link} data-row className="link shrink-0 text-sm font-medium">
        {c.action}
        {c.name && <span className="sr-only">: {c.name}</span>}
      </Link>
    </li>
  );
}
