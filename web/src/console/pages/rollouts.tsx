import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { Plus, Rocket } from "lucide-react";
import type { Rollout } from "../../api/types.ts";
import { Button } from "../../ui/button.tsx";
import { Awaited, Empty } from "../../ui/panel.tsx";
import { StateBadge } from "../../ui/state.tsx";
import { TableHead } from "../../ui/table.tsx";
import { Ago } from "../../ui/time.tsx";
import { countWords, doneOf } from "../fleet/rollout-words.ts";
import { StartRollout } from "../fleet/start-rollout.tsx";
import { useMayChange } from "../gate.tsx";
import { Heading } from "../parts.tsx";
import { rolloutsQuery } from "../queries/rollouts.ts";

const route = getRouteApi("/rollouts");

export function RolloutsPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const may = useMayChange();
  const rollouts = useQuery(rolloutsQuery);
  return (
    <>
      <Heading
        title="Rollouts"
        tab="Rollouts"
        below="A version on its way to hosts, a few at a time. Each host drains, upgrades and reports by itself."
      >
        {may && (
          <Button variant="primary" icon={Plus} onClick={() => void navigate({ search: { start: true } })}>
            Start a rollout
          </Button>
        )}
      </Heading>
      <div className="card overflow-hidden">
        {rollouts.data ? (
          rollouts.data.length > 0 ? (
            <RolloutsTable rollouts={rollouts.data} />
          ) : (
            <Empty icon={Rocket} title="No rollouts yet" command="pipeweave rollouts start --to 1.4.0 --dry-run">
              A rollout brings the hosts to a published version. See first which it would be about:
            </Empty>
          )
        ) : (
          <Awaited query={rollouts} what="The rollouts could not be loaded" lines={4} />
        )}
      </div>
      {search.start && may && (
        <StartRollout
          program={search.program}
          version={search.version}
          onClose={() => void navigate({ search: {}, replace: true })}
        />
      )}
    </>
  );
}

function RolloutsTable({ rollouts }: { rollouts: Rollout[] }) {
  return (
    <table className="data stack" aria-label="Rollouts">
      <TableHead columns={["Rollout", "State", "Progress", "Begun"]} />
      <tbody>
        {rollouts.map((r) => (
          <tr key={r.id} data-rollout={r.id}>
            <td className="lead">
              <Link data-row to="/rollouts/$id" params={{ id: r.id }} className="link font-semibold">
                {r.kind === "rollback" ? `Back from ${r.version}` : `${r.program} ${r.version}`}
              </Link>
              <p className="line-clamp-2 text-sm text-muted">
                {[r.kind === "rollback" ? r.program : r.channel, r.note].filter(Boolean).join(" · ")}
              </p>
            </td>
            <td data-label="State">
              <span>
                <StateBadge state={r.status} />
                {r.reason && <span className="mt-0.5 line-clamp-2 block max-w-xs text-sm text-muted">{r.reason}</span>}
              </span>
            </td>
            <td data-label="Progress">
              <RolloutProgress rollout={r} />
            </td>
            <td data-label="Begun">
              <span>
                <Ago at={r.createdAt} className="whitespace-nowrap" />
                {r.createdBy && <span className="line-clamp-1 text-sm text-muted">by {r.createdBy}</span>}
              </span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** How far it is, as a bar and in words. */
export function RolloutProgress({ rollout: r }: { rollout: Rollout }) {
  return (
    <span className="block min-w-32">
      <progress
        aria-label={`Progress of ${r.program} ${r.version}`}
        className="block h-1.5 w-full max-w-56"
        max={1}
        value={doneOf(r.counts)}
      />
      <span className="mt-1 block text-sm text-muted">{countWords(r.counts)}</span>
    </span>
  );
}
