import type { ReactNode } from "react";
import type { SelfStatus } from "../../api/types.ts";
import { bytes, none } from "../../lib/format.ts";
import { CopyButton } from "../../ui/copy.tsx";
import { Facts, Panel } from "../../ui/panel.tsx";
import { Ago } from "../../ui/time.tsx";
import { viewHref } from "../places.ts";

/** The machine and the daemon on it: how much there is of everything, and how much is left. */
export function HostPanel({ self }: { self: SelfStatus }) {
  const { host } = self;
  return (
    <Panel title="Host">
      <div className="grid grid-cols-1 gap-3 border-b border-line p-3 sm:grid-cols-3">
        <Gauge
          label="Load"
          used={host.load1 !== null && host.cpus > 0 ? host.load1 / host.cpus : null}
          text={host.load1 === null ? "not told here" : host.load1.toFixed(2)}
          of={`${host.cpus} ${host.cpus === 1 ? "processor" : "processors"}`}
        />
        <Gauge
          label="Memory"
          used={share(host.memoryBytes, host.memoryFreeBytes)}
          text={host.memoryBytes > 0 ? `${bytes(host.memoryBytes - host.memoryFreeBytes)} used` : "not told here"}
          of={bytes(host.memoryBytes || null)}
        />
        <Gauge
          label="Disk"
          used={share(host.diskBytes, host.diskFreeBytes)}
          text={host.diskBytes > 0 ? `${bytes(host.diskFreeBytes)} free` : "not told here"}
          of={bytes(host.diskBytes || null)}
        />
      </div>
      <Facts
        className="p-3"
        items={[
          ["Name", <bdi key="n">{self.hostname}</bdi>],
          ["System", self.os],
          [
            "Daemon",
            <span key="v">
              {self.version} <span className="text-muted">(build {self.build || none})</span>
            </span>,
          ],
          ["Newest", newest(self)],
          [
            "Started",
            <span key="s">
              <Ago at={self.startedAt} /> <span className="text-muted">pid {self.pid}</span>
            </span>,
          ],
          [
            "Folder",
            <span key="h" className="inline-flex max-w-full items-center gap-0.5">
              <code className="truncate font-mono text-sm" title={self.home}>
                {self.home}
              </code>
              <CopyButton text={self.home} label="Copy the folder" />
            </span>,
          ],
        ]}
      />
    </Panel>
  );
}

const share = (all: number, free: number): number | null => (all > 0 ? (all - free) / all : null);

function newest(self: SelfStatus): ReactNode {
  const asked = self.lastCheckedAt ? (
    <span className="text-muted">
      , looked <Ago at={self.lastCheckedAt} />
    </span>
  ) : null;
  if (self.latest === null) return <span className="text-muted">{self.latestError || "not known yet"}</span>;
  if (!self.stale) return <span>this one{asked}</span>;
  return (
    <span>
      <a className="link" href={viewHref("upgrades")}>
        {self.latest}
      </a>
      {asked}
    </span>
  );
}

/** How much of something is used: a bar, and the same in words. */
function Gauge({ label, used, text, of }: { label: string; used: number | null; text: string; of: string }) {
  const percent = used === null ? null : Math.round(Math.min(1, used) * 100);
  const tone =
    percent !== null && percent >= 95 ? "tone-bad" : percent !== null && percent >= 85 ? "tone-warn" : "tone-live";
  return (
    <div className="space-y-1">
      <div className="flex items-baseline justify-between gap-2">
        <span className="text-sm text-muted">{label}</span>
        <span className="text-xs text-muted">{of}</span>
      </div>
      <div aria-hidden className={`${tone} h-1.5 overflow-hidden rounded-full bg-sunken`}>
        {percent !== null && (
          <div className="tone-bg h-full rounded-full" style={{ width: `${Math.max(2, percent)}%` }} />
        )}
      </div>
      <div className="text-sm tabular-nums">
        {text}
        {percent !== null && label !== "Load" && <span className="text-muted"> · {percent} %</span>}
      </div>
    </div>
  );
}
