import { useQuery } from "@tanstack/react-query";
import { KeyRound, Server } from "lucide-react";
import { lazy, Suspense, useEffect, useState } from "react";
import { focusSearch, moveRow, useShortcuts } from "../lib/keyboard.ts";
import { KeyboardHelp, ThemeButton } from "../ui/chrome.tsx";
import { Command } from "../ui/copy.tsx";
import { LinkBanner, LinkPill, NewVersionBanner, useBuildChanged, useLink, useStale } from "../ui/link-banner.tsx";
import { CommandPalette, PaletteButton } from "../ui/palette.tsx";
import { Empty, Failure, Loading, Panel } from "../ui/panel.tsx";
import { PreferencesButton } from "../ui/preferences.tsx";
import { StateBadge } from "../ui/state.tsx";
import { link, selfQuery, token, workersQuery } from "./daemon.ts";
import { Health, Links } from "./health.tsx";
import { WorkersTable } from "./workers-table.tsx";

// The log viewer weighs as much as the rest of the page, and most visits never open it.
const LogDrawer = lazy(async () => ({ default: (await import("./log-drawer.tsx")).LogDrawer }));

export function App() {
  const { phase } = useLink(link);
  if (token.get() === null || phase === "unauthorized") return <NoToken expired={phase === "unauthorized"} />;
  return <Host />;
}

/** The page is not secret, what it shows is. Without a token there is one thing to do. */
function NoToken({ expired }: { expired: boolean }) {
  return (
    <main className="mx-auto grid min-h-dvh max-w-lg content-center px-4 py-10">
      <div className="card p-6">
        <span className="tone-live tint mb-4 grid size-11 place-items-center rounded-full border">
          <KeyRound aria-hidden className="size-5" />
        </span>
        <h1 className="text-xl font-semibold">
          {expired ? "This link is no longer valid" : "This page needs its link"}
        </h1>
        <p className="mt-2 mb-4 text-muted">
          {expired
            ? "The daemon does not take the token of this tab any more. "
            : "The dashboard of this host opens with a token that this tab does not have. "}
          Print a fresh link on the host and open it:
        </p>
        <Command text="pipedai-orchestrator dashboard" />
        <p className="mt-4 text-sm text-muted">
          With <code className="font-mono">--open</code> it goes to the browser by itself. The token stays in this tab
          and is taken out of the address bar.
        </p>
      </div>
    </main>
  );
}

function Host() {
  const self = useQuery(selfQuery);
  const workers = useQuery(workersQuery);
  const stale = useStale(link);
  const updated = useBuildChanged(self.data?.build);
  const [logsOf, setLogsOf] = useState<string | null>(null);
  useShortcuts([
    { keys: "j", label: "Next worker", run: () => moveRow(1) },
    { keys: "k", label: "Previous worker", run: () => moveRow(-1) },
    { keys: "/", label: "Search in an open log", run: focusSearch },
  ]);
  const name = self.data?.hostname;
  useEffect(() => {
    document.title = name ? `${name} – PipedAI host` : "PipedAI host";
  }, [name]);
  const list = workers.data;
  const lost = workers.dataUpdatedAt || null;
  const open = list?.find((w) => w.id === logsOf);

  return (
    <div className="flex min-h-dvh flex-col">
      <a
        href="#main"
        className="sr-only focus:not-sr-only focus:absolute focus:z-50 focus:m-2 focus:rounded-md focus:bg-surface focus:p-2"
      >
        Skip to the workers
      </a>
      <header className="border-b border-line bg-surface">
        <div className="mx-auto flex min-h-14 max-w-6xl flex-wrap items-center gap-x-4 gap-y-1 px-4 py-2">
          <div className="flex min-w-0 items-center gap-2.5">
            <span className="grid size-8 shrink-0 place-items-center rounded-md bg-live text-surface">
              <Server aria-hidden className="size-4.5" />
            </span>
            <div className="min-w-0">
              <h1 className="truncate text-lg leading-5 font-semibold">{name ?? "This host"}</h1>
              <p className="truncate text-xs text-muted">
                {self.data
                  ? `${self.data.os} · daemon ${self.data.version} · pid ${self.data.pid}`
                  : "PipedAI host dashboard"}
              </p>
            </div>
          </div>
          {self.data && self.data.state !== "running" && <StateBadge state={self.data.state} />}
          <div className="ml-auto flex items-center gap-1">
            <span className="mr-2">
              <LinkPill link={link} />
            </span>
            <PaletteButton />
            <ThemeButton />
            <PreferencesButton />
            <KeyboardHelp />
          </div>
        </div>
      </header>
      <CommandPalette />
      <LinkBanner link={link} server="the daemon" lastSeen={lost} />
      {updated && <NewVersionBanner what="The daemon" />}
      <main
        id="main"
        tabIndex={-1}
        className={`mx-auto w-full max-w-6xl flex-1 space-y-4 px-4 py-5 outline-none ${stale ? "saturate-50" : ""}`}
      >
        {self.data && <Health items={self.data.health ?? []} />}
        <Panel
          title="Workers"
          aside={list && list.length > 0 ? <span className="text-sm text-muted">{summary(list)}</span> : null}
        >
          {list === undefined ? (
            workers.isError ? (
              <Failure
                what="The workers could not be loaded"
                error={workers.error}
                retry={() => void workers.refetch()}
              />
            ) : (
              <Loading />
            )
          ) : list.length === 0 ? (
            <NotConnected
              paired={(self.data?.controlPlanes ?? []).length > 0}
              command={connectCommand(self.data?.health ?? [])}
            />
          ) : (
            <WorkersTable workers={list} frozen={stale} onLogs={setLogsOf} />
          )}
        </Panel>
        {self.data && <Links planes={self.data.controlPlanes ?? []} />}
      </main>
      <footer className="mx-auto w-full max-w-6xl px-4 pt-2 pb-6 text-xs text-muted">
        {self.data && (
          <>
            State in <code className="font-mono">{self.data.home}</code>
            <span className="max-sm:hidden"> · press ? for keys</span>
          </>
        )}
      </footer>
      {open && (
        <Suspense fallback={null}>
          <LogDrawer key={open.id} worker={open} onClose={() => setLogsOf(null)} />
        </Suspense>
      )}
    </div>
  );
}

function summary(list: { local: { state: string } | null }[]): string {
  const running = list.filter((w) => w.local?.state === "running").length;
  return `${running} of ${list.length} running`;
}

function connectCommand(health: { command?: string }[]): string {
  return (
    health.find((h) => h.command?.includes("connect"))?.command ??
    "pipedai-orchestrator connect --api-url http://127.0.0.1:3000"
  );
}

function NotConnected({ paired, command }: { paired: boolean; command: string }) {
  return (
    <Empty
      icon={Server}
      title={paired ? "No workers on this host yet" : "This host is not connected yet"}
      command={command}
    >
      {paired
        ? "The host is paired, and has nothing to keep running. Connecting again adds a worker."
        : "Connect it to a control plane; it prints a code, somebody approves it there, and the worker appears here by itself."}
    </Empty>
  );
}
