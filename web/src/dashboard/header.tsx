import { useQuery } from "@tanstack/react-query";
import { CircleArrowUp, Server } from "lucide-react";
import type { FusedWorker, SelfStatus } from "../api/types.ts";
import { KeyboardHelp, ThemeButton } from "../ui/chrome.tsx";
import { LinkPill } from "../ui/link-banner.tsx";
import { PaletteButton } from "../ui/palette.tsx";
import { PreferencesButton } from "../ui/preferences.tsx";
import { lookOf, StateBadge } from "../ui/state.tsx";
import { verdictText } from "./connectivity/verdicts.ts";
import { link } from "./daemon.ts";
import { type View, viewHref, viewLabels, views } from "./places.ts";
import { connectivityQuery } from "./queries.ts";

interface Props {
  self: SelfStatus | undefined;
  view: View | null;
  workers: FusedWorker[] | undefined;
}

/** Which host this is, how it is, and where one can go. */
export function Header({ self, view, workers }: Props) {
  return (
    <header className="border-b border-line bg-surface">
      <div className="mx-auto max-w-6xl px-4">
        <div className="flex min-h-14 flex-wrap items-center gap-x-4 gap-y-1 py-2">
          <a href={viewHref("overview")} className="flex min-w-0 items-center gap-2.5">
            <span className="grid size-8 shrink-0 place-items-center rounded-md bg-live text-surface">
              <Server aria-hidden className="size-4.5" />
            </span>
            <span className="min-w-0">
              <span className="block max-w-64 truncate text-lg leading-5 font-semibold">
                {self?.hostname ?? "This host"}
              </span>
              <span className="block truncate text-xs text-muted">
                {self ? `${self.os} · daemon ${self.version}` : "PipedAI host dashboard"}
              </span>
            </span>
          </a>
          {self && self.state !== "running" && <StateBadge state={self.state} />}
          <div className="ml-auto flex flex-wrap items-center gap-x-1">
            <VersionPill self={self} />
            <ConnectivityPill />
            <span className="mx-2">
              <LinkPill link={link} />
            </span>
            <PaletteButton />
            <ThemeButton />
            <PreferencesButton />
            <KeyboardHelp />
          </div>
        </div>
        <nav aria-label="Views" className="-mx-1 flex gap-1 overflow-x-auto">
          {views.map((name) => (
            <a
              key={name}
              href={viewHref(name)}
              aria-current={name === view ? "page" : undefined}
              className="flex min-h-9 shrink-0 items-center gap-1.5 border-b-2 border-transparent px-2.5 font-medium text-muted -outline-offset-2 hover:text-text aria-[current=page]:border-accent aria-[current=page]:text-text"
            >
              {viewLabels[name]}
              {name === "workers" && workers && workers.length > 0 && (
                <span className="rounded-full bg-sunken px-1.5 text-xs tabular-nums">{workers.length}</span>
              )}
            </a>
          ))}
        </nav>
      </div>
    </header>
  );
}

/** There only when there is a newer daemon, or one is being put in place. */
function VersionPill({ self }: { self: SelfStatus | undefined }) {
  if (!self || (!self.upgrade && !(self.stale && self.latest))) return null;
  return (
    <a
      href={viewHref("upgrades")}
      className="tone-warn tint inline-flex min-h-6 items-center gap-1.5 rounded-full border px-2 text-xs font-medium"
    >
      <CircleArrowUp aria-hidden className={`size-3.5 ${self.upgrade ? "spin" : ""}`} />
      {self.upgrade ? "Upgrading the daemon" : `Daemon ${self.latest} is out`}
    </a>
  );
}

/** How the network of this host is, in a word; leads to what was seen of it. */
function ConnectivityPill() {
  const { data } = useQuery(connectivityQuery);
  const verdict = data?.current?.verdict ?? "unknown";
  const latency = data?.current?.api?.find((probe) => probe.ok)?.latencyMs;
  const { icon: Icon, tone } = lookOf(verdict);
  return (
    <a
      href={viewHref("connectivity")}
      data-verdict={verdict}
      className={`tone-${tone} inline-flex min-h-6 items-center gap-1.5 rounded-full px-2 text-sm text-muted hover:bg-sunken hover:text-text`}
      title="What the host reaches; opens the history"
    >
      <Icon aria-hidden className="tone-text size-3.5" strokeWidth={2.25} />
      {verdictText(verdict)}
      {latency !== undefined && latency !== null && verdict === "online" && (
        <span className="tabular-nums max-sm:hidden">{latency} ms</span>
      )}
    </a>
  );
}
