import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { CircleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { ApiError } from "../../api/client.ts";
import type { RolloutDetail } from "../../api/types.ts";
import { duration, instant } from "../../lib/format.ts";
import { Id } from "../../ui/copy.tsx";
import { Awaited, Empty, Facts, Panel } from "../../ui/panel.tsx";
import { StateBadge } from "../../ui/state.tsx";
import { Ago, At, Elapsed } from "../../ui/time.tsx";
import { RolloutActions } from "../fleet/rollout-actions.tsx";
import { RolloutTargets } from "../fleet/rollout-targets.tsx";
import { troubled } from "../fleet/rollout-words.ts";
import { History } from "../history.tsx";
import { Heading } from "../parts.tsx";
import { rolloutQuery, underway } from "../queries/rollouts.ts";
import { RolloutProgress } from "./rollouts.tsx";

const route = getRouteApi("/rollouts/$id");

export function RolloutPage() {
  const { id } = route.useParams();
  const rollout = useQuery(rolloutQuery(id));
  const above = (
    <Link to="/rollouts" className="hover:underline">
      Rollouts
    </Link>
  );
  if (!rollout.data) {
    const missing = rollout.error instanceof ApiError && rollout.error.status === 404;
    return (
      <>
        <Heading title="Rollout" tab="Rollout" above={above} />
        <div className="card">
          {missing ? (
            <Empty title="There is no such rollout">It may belong to another workspace or control plane.</Empty>
          ) : (
            <Awaited query={rollout} what="The rollout could not be loaded" lines={5} />
          )}
        </div>
      </>
    );
  }
  const r = rollout.data;
  const title = r.kind === "rollback" ? `${r.program}, back from ${r.version}` : `${r.program} ${r.version}`;
  return (
    <>
      <Heading
        title={title}
        tab={title.slice(0, 60)}
        above={above}
        below={
          <span className="flex flex-wrap items-center gap-x-3 gap-y-1" data-rollout-status={r.status}>
            <StateBadge state={r.status} />
            {r.reason && <span>{r.reason}</span>}
          </span>
        }
      >
        <RolloutActions rollout={r} />
      </Heading>
      <Trouble rollout={r} />
      <Panel title="Hosts">
        <div className="border-b border-line p-3">
          <RolloutProgress rollout={r} />
        </div>
        <RolloutTargets targets={r.targets ?? []} />
      </Panel>
      <div className="grid grid-cols-1 gap-4 lg:grid-cols-2 lg:items-start">
        <About rollout={r} />
        <History object={r.id} />
      </div>
    </>
  );
}

/** Which hosts it stopped for and what each said; first of all, because nothing goes on until somebody decides. */
function Trouble({ rollout: r }: { rollout: RolloutDetail }) {
  const list = troubled(r.targets ?? []);
  if (list.length === 0 || r.status === "running") return null;
  return (
    <section aria-label="Why it stopped" className="tone-bad tint space-y-2 rounded-lg border p-3">
      <ul className="space-y-1.5 text-text">
        {list.slice(0, 8).map((t) => (
          <li key={t.hostId} className="flex items-start gap-2">
            <CircleAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-bad" />
            <span className="min-w-0">
              <Link to="/hosts/$id" params={{ id: t.hostId }} className="font-semibold hover:underline">
                {t.host}
              </Link>{" "}
              {t.state === "overdue" ? "said nothing in time" : t.state}
              {t.error && <span className="line-clamp-4">{t.error}</span>}
            </span>
          </li>
        ))}
        {list.length > 8 && <li>and {list.length - 8} more, below</li>}
      </ul>
    </section>
  );
}

function About({ rollout: r }: { rollout: RolloutDetail }) {
  return (
    <Panel title="About this rollout">
      <Facts
        className="p-3"
        items={[
          ["Rollout", <Id key="i" id={r.id} what="rollout id" length={30} />],
          ...(r.rollbackOf
            ? ([
                [
                  "Takes back",
                  <Link key="b" to="/rollouts/$id" params={{ id: r.rollbackOf }} className="link">
                    {r.rollbackOf}
                  </Link>,
                ],
              ] as [string, ReactNode][])
            : []),
          ["Channel", r.channel || "any"],
          ["Canary", `${r.canary} first`],
          ["At the same time", `at most ${r.maxUnavailable}`],
          ["May fail", String(r.maxFailures)],
          ["One host may take", duration(r.hostDeadlineSec * 1_000)],
          [
            "Runs in hand",
            r.forceAfterSec > 0 ? `waited for, ${duration(r.forceAfterSec * 1_000)} at most` : "waited for",
          ],
          ["Begun", <At key="c" at={r.createdAt} />],
          ["By", r.createdBy || "not known"],
          [
            underway(r.status) ? "For" : "Took",
            <Elapsed key="e" start={r.createdAt} end={instant(r.endedAt) === null ? null : r.endedAt} />,
          ],
          ["Changed", <Ago key="u" at={r.updatedAt} />],
          ...(r.note ? ([["Note", r.note]] as [string, ReactNode][]) : []),
        ]}
      />
    </Panel>
  );
}
