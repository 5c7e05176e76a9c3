import { RefreshCw, Unplug } from "lucide-react";
import { useEffect, useRef, useSyncExternalStore } from "react";
import { setAway } from "../lib/away.ts";
import { useNow } from "../lib/now.ts";
import type { LinkState } from "../live/link.ts";
import { Button } from "./button.tsx";
import { Ago, Until } from "./time.tsx";
import { toast } from "./toast.tsx";

interface Source {
  subscribe(listener: () => void): () => void;
  getState(): LinkState;
  retryNow(): void;
}

export function useLink(link: Source): LinkState {
  return useSyncExternalStore(link.subscribe, link.getState);
}

/** A short drop is not worth a banner that flashes. */
const graceMs = 1_200;

/** Whether what the page shows may be old, because there is no connection. */
export function useStale(link: Source): boolean {
  const state = useLink(link);
  const now = useNow();
  return state.phase === "lost" && state.lostAt !== null && now - state.lostAt >= graceMs;
}

/** Says that the connection is gone, since when, and when the next try is; and that it is back. */
export function LinkBanner({
  link,
  server,
  lastSeen,
  note,
}: {
  link: Source;
  server: string;
  lastSeen?: number | null;
  /** Why it is gone, where that is known. */
  note?: string;
}) {
  const state = useLink(link);
  const stale = useStale(link);
  const shown = useRef(false);
  useEffect(() => {
    setAway(stale ? server : null);
    return () => setAway(null);
  }, [stale, server]);
  useEffect(() => {
    if (stale) shown.current = true;
    else if (shown.current && state.phase === "live") {
      shown.current = false;
      toast("ok", "Reconnected", "Everything on this page is fresh again.");
    }
  }, [stale, state.phase]);
  if (!stale) return null;
  const from = lastSeen || state.lostAt;
  return (
    <div role="alert" className="tone-warn tint flex flex-wrap items-center gap-x-3 gap-y-1 border-b px-4 py-2">
      <Unplug aria-hidden className="size-4 shrink-0" />
      <p className="min-w-0 flex-1 font-medium">
        Lost connection to {server}
        {note && <span className="font-normal">. {note}</span>}
        <span className="font-normal" aria-hidden>
          {" – "}
          {state.retryAt === null ? (
            "trying now"
          ) : (
            <>
              next try <Until at={state.retryAt} />
            </>
          )}
          {from ? (
            <>
              . What you see is from <Ago at={from} />.
            </>
          ) : null}
        </span>
      </p>
      <Button size="sm" icon={RefreshCw} onClick={link.retryNow} disabled={state.retryAt === null}>
        Try now
      </Button>
    </div>
  );
}

const words: Record<LinkState["phase"], [string, string, string]> = {
  connecting: ["Connecting", "tone-idle", "The first connection is being made"],
  live: ["Live", "tone-live", "Changes appear by themselves"],
  polling: ["Polling", "tone-warn", "Live updates do not get through; the page asks every 5 seconds"],
  lost: ["Offline", "tone-bad", "There is no connection"],
  unauthorized: ["Signed out", "tone-bad", "The token is no longer valid"],
  stopped: ["Paused", "tone-idle", "The page does not update"],
};

/** The state of the live connection in a word. */
export function LinkPill({ link }: { link: Source }) {
  const { phase } = useLink(link);
  const [word, tone, title] = words[phase];
  return (
    <span
      className={`${tone} inline-flex items-center gap-1.5 text-sm whitespace-nowrap text-muted`}
      title={title}
      data-link={phase}
    >
      <span aria-hidden className={`tone-bg size-2 rounded-full ${phase === "live" ? "" : "opacity-80"}`} />
      {word}
    </span>
  );
}

/** Another build of the server runs now than the one this page came from. */
export function NewVersionBanner({ what }: { what: string }) {
  return (
    <div role="status" className="tone-run tint flex flex-wrap items-center gap-3 border-b px-4 py-2">
      <RefreshCw aria-hidden className="size-4 shrink-0" />
      <p className="flex-1 font-medium">{what} was updated. This page is from the version before.</p>
      <Button size="sm" onClick={() => window.location.reload()}>
        Reload for the new version
      </Button>
    </div>
  );
}

/** Remembers the build the page met first and says when it changes. */
export function useBuildChanged(build: string | undefined): boolean {
  const first = useRef<string | undefined>(undefined);
  if (first.current === undefined && build) first.current = build;
  return build !== undefined && first.current !== undefined && build !== first.current;
}
