import { useQuery } from "@tanstack/react-query";
import { CircleArrowUp, RefreshCw } from "lucide-react";
import type { SelfStatus } from "../../api/types.ts";
import { none } from "../../lib/format.ts";
import { Action } from "../../ui/action.tsx";
import { Button } from "../../ui/button.tsx";
import { useBuildChanged } from "../../ui/link-banner.tsx";
import { Awaited, Facts, Panel } from "../../ui/panel.tsx";
import { StateBadge } from "../../ui/state.tsx";
import { Ago, At } from "../../ui/time.tsx";
import { upgradeSelf } from "../actions.ts";
import { awayIf } from "../away.ts";
import { cli } from "../cli.ts";
import { OperationRow } from "../operations/operation-row.tsx";
import { operationsQuery, selfQuery } from "../queries.ts";
import { UpgradePlan } from "./lazy-plan.tsx";

/** Which version the daemon runs, and the way to the newest. */
export function SelfPanel({ frozen }: { frozen: boolean }) {
  const self = useQuery(selfQuery);
  const operations = useQuery(operationsQuery);
  const updated = useBuildChanged(self.data?.build);
  if (!self.data) {
    return (
      <Panel title="The daemon">
        <Awaited query={self} what="The daemon could not be asked" />
      </Panel>
    );
  }
  const now = self.data;
  const running = now.upgrade;
  // The panel above shows it already, once the list of operations has it.
  const listed = operations.data?.some((op) => op.id === running?.id) ?? false;
  return (
    <Panel title="The daemon" aside={<SelfAction self={now} frozen={frozen} />}>
      {running && !listed && (
        <ul className="border-b border-line">
          <OperationRow op={running} frozen={frozen} />
        </ul>
      )}
      {running && (
        <p className="border-b border-line px-3 py-2 text-sm text-muted">
          Workers go on running. While the versions change places the daemon is away for a moment; this page goes on by
          itself.
        </p>
      )}
      {updated && (
        <p className="flex flex-wrap items-center gap-3 border-b border-line px-3 py-2">
          The daemon is another version now than the one that this page came from.
          <Button size="sm" icon={RefreshCw} onClick={() => window.location.reload()}>
            Reload the page
          </Button>
        </p>
      )}
      <Facts
        className="p-3"
        items={[
          [
            "Runs",
            <span key="r">
              <strong className="font-semibold">{now.version}</strong>{" "}
              <span className="text-muted">
                started <Ago at={now.startedAt} />
              </span>
            </span>,
          ],
          ["Newest", <Newest key="n" self={now} />],
          ["Channel", now.channel || none],
          ["Installed", <Installed key="i" self={now} />],
        ]}
      />
      <Failed self={now} />
    </Panel>
  );
}

function Newest({ self }: { self: SelfStatus }) {
  return (
    <span>
      {self.latest ?? <span className="text-muted">not known</span>}
      {self.latest !== null && (
        <span className="text-muted">{self.stale ? " – newer than what runs" : " – this is what runs"}</span>
      )}
      <span className="text-muted">
        {self.lastCheckedAt && (
          <>
            , looked <Ago at={self.lastCheckedAt} />
          </>
        )}
      </span>
      {self.latestError && <span className="block text-sm text-warn">{self.latestError}</span>}
    </span>
  );
}

function Installed({ self }: { self: SelfStatus }) {
  const { installed } = self;
  return (
    <span>
      {installed.version || none} <code className="font-mono text-sm text-muted">{installed.program}</code>
      {installed.pinned && (
        <span className="block text-sm text-muted">
          {installed.pinned} runs in its place
          {installed.confirmedAt && (
            <>
              {" "}
              since <At at={installed.confirmedAt} />
            </>
          )}
          {installed.previous && `; ${installed.previous} comes back if it fails`}
        </span>
      )}
    </span>
  );
}

/** Versions that did not do here, so that nobody wonders why they are not offered. */
function Failed({ self }: { self: SelfStatus }) {
  const failed = (self.failed ?? []).toReversed();
  if (failed.length === 0) return null;
  return (
    <div className="border-t border-line px-3 py-2">
      <h3 className="text-sm font-medium">Did not do on this host, and are not tried again by themselves</h3>
      <ul className="space-y-1 pt-1">
        {failed.map((f) => (
          <li key={`${f.version} ${f.at}`} className="flex flex-wrap items-baseline gap-x-2 text-sm">
            <StateBadge state="failed" label={f.version} />
            <span className="min-w-0 text-muted">
              {f.reason}, <Ago at={f.at} />
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}

function SelfAction({ self, frozen }: { self: SelfStatus; frozen: boolean }) {
  const failedBefore = (self.failed ?? []).some((f) => f.version === self.latest);
  if (self.latest === null || !self.stale || self.upgrade) return null;
  const version = self.latest;
  return (
    <Action
      label={failedBefore ? `Try ${version} again` : `Upgrade to ${version}`}
      doing="Beginning…"
      icon={CircleArrowUp}
      variant="primary"
      scope="self"
      unavailable={awayIf(frozen)}
      command={cli("upgrade", "--self", "--version", version, ...(failedBefore ? ["--force"] : []))}
      confirm={{
        title: `Upgrade the daemon to ${version}?`,
        action: "Upgrade the daemon",
        body: (
          <>
            <p>
              From {self.version} to <strong>{version}</strong>. The new version is fetched and checked, and has to do
              all that a daemon does in a rehearsal; otherwise this one goes on.
            </p>
            <UpgradePlan wanted={{ self: { version, ...(failedBefore ? { force: true } : {}) } }} />
            <p className="text-muted">
              No worker stops. The page is without the daemon for a moment and comes back by itself.
            </p>
            {failedBefore && <p className="text-warn">This version did not do here before.</p>}
          </>
        ),
      }}
      run={() => upgradeSelf({ version, ...(failedBefore ? { force: true } : {}) })}
      done={(result) =>
        result.unchanged ? "The daemon runs this version already" : "The upgrade of the daemon has begun"
      }
    />
  );
}
