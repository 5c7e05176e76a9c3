import { useQuery } from "@tanstack/react-query";
import type { UpgradeInfo, UpgradeItem } from "../../api/types.ts";
import { bytes } from "../../lib/format.ts";
import { Id } from "../../ui/copy.tsx";
import { Facts, Failure, Loading } from "../../ui/panel.tsx";
import { StateIcon } from "../../ui/state.tsx";
import { dryRun, type PlannedUpgrade } from "../actions.ts";

/**
 * What an upgrade would do, as the daemon says when it only looks: from which version to which, where the new one is from and
 * who answers for it, how much is fetched, and what is new. It refuses here what it would refuse then.
 */
export function UpgradePlan({ wanted }: { wanted: PlannedUpgrade }) {
  const plan = useQuery({
    queryKey: ["upgrade-plan", wanted],
    queryFn: ({ signal }) => dryRun(wanted, signal),
    staleTime: 0,
    gcTime: 0,
  });
  if (plan.isError)
    return (
      <div className="rounded-md border border-line">
        <Failure what="It would not work so" error={plan.error} retry={() => void plan.refetch()} />
      </div>
    );
  if (!plan.data) return <Loading lines={2} label="Looking what it would be" />;
  return <Plan info={plan.data} />;
}

function Plan({ info }: { info: UpgradeInfo }) {
  const items = info.items ?? [];
  return (
    <section aria-label="What would change" data-plan className="space-y-2 rounded-md border border-line bg-sunken p-3">
      {info.unchanged && <p className="font-medium">It is at that version already; nothing would change.</p>}
      <Facts
        items={[
          ...(items.length === 0 ? ([["Version", arrow(info.from, info.to)]] as [string, string][]) : []),
          ...(info.source ? ([["From", info.source]] as [string, string][]) : []),
          [
            "Signed",
            info.signedBy ? (
              <span key="s">
                by <Id id={info.signedBy} what="key id" length={20} />
                {info.channel && `, channel ${info.channel}`}
              </span>
            ) : info.source ? (
              "by nobody"
            ) : (
              "differs from worker to worker"
            ),
          ],
          ["Fetched", fetched(info)],
        ]}
      />
      {items.length > 0 && (
        <ol className="space-y-1 text-sm">
          {items.map((item) => (
            <Item key={item.workerId} item={item} />
          ))}
        </ol>
      )}
      {info.notes && (
        <details open={info.notes.length < 400}>
          <summary className="text-sm text-muted">What is new</summary>
          <p className="max-h-48 overflow-y-auto pt-1 text-sm whitespace-pre-wrap">{info.notes}</p>
        </details>
      )}
    </section>
  );
}

function Item({ item }: { item: UpgradeItem }) {
  const same = item.status === "unchanged";
  return (
    <li className="flex flex-wrap items-baseline gap-x-2">
      <span className="self-center">
        <StateIcon state={item.error ? "failed" : same ? "unchanged" : "waiting"} className="size-3.5" />
      </span>
      <bdi className="max-w-60 truncate font-medium">{item.label}</bdi>
      <span className={item.error ? "text-bad" : "text-muted"}>
        {item.error || (same ? "is at it already" : arrow(item.from, item.to))}
        {item.canary && !item.error && !same && ", goes first"}
      </span>
    </li>
  );
}

const arrow = (from: string | undefined, to: string | undefined): string =>
  `${from || "not known"} → ${to || "that of the program there"}`;

function fetched(info: UpgradeInfo): string {
  if (info.installed) return "nothing: it is on this host already";
  return info.size ? bytes(info.size) : "not known";
}
