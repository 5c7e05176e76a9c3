import { useQuery } from "@tanstack/react-query";
import { Compass } from "lucide-react";
import { lazy, Suspense, useEffect } from "react";
import { useCommandSource, useCommands } from "../lib/commands.ts";
import { goTo, useRoute } from "../lib/hash-route.ts";
import { focusSearch, moveRow, useShortcuts } from "../lib/keyboard.ts";
import { LinkBanner, NewVersionBanner, useBuildChanged, useStale } from "../ui/link-banner.tsx";
import { CommandPalette } from "../ui/palette.tsx";
import { Empty, Loading } from "../ui/panel.tsx";
import { announce } from "../ui/toast.tsx";
import { link, queries } from "./daemon.ts";
import { Header } from "./header.tsx";
import { Overview } from "./overview/overview.tsx";
import { type View, viewHref, viewKeys, viewLabels, viewOf, views, workerHref } from "./places.ts";
import { selfQuery, usageQuery, workersQuery } from "./queries.ts";
import { nameOf } from "./workers/worker-state.ts";
import { WorkersView } from "./workers/workers-view.tsx";

// The first two are what the page is opened for; the others come when they are gone to.
const WorkerView = lazy(async () => ({ default: (await import("./workers/worker-view.tsx")).WorkerView }));
const Upgrades = lazy(async () => ({ default: (await import("./upgrades/upgrades.tsx")).Upgrades }));
const Connectivity = lazy(async () => ({
  default: (await import("./connectivity/connectivity.tsx")).ConnectivityView,
}));
const Adopt = lazy(async () => ({ default: (await import("./adopt/adopt.tsx")).AdoptView }));
const Settings = lazy(async () => ({ default: (await import("./settings/settings.tsx")).Settings }));

/** Header, banners and the view that the address names. */
export function Shell() {
  const { path } = useRoute();
  const self = useQuery(selfQuery);
  const workers = useQuery(workersQuery);
  useQuery(usageQuery);
  const stale = useStale(link);
  const updated = useBuildChanged(self.data?.build);
  const view = viewOf(path);
  const host = self.data?.hostname;
  const worker = view === "workers" && path[1] ? workers.data?.find((w) => w.id === path[1]) : undefined;
  const title = worker ? nameOf(worker) : view ? viewLabels[view] : "Not found";

  useEffect(() => {
    document.title = `${title} – ${host ?? "PipedAI host"}`;
  }, [title, host]);
  const place = `${path[0] ?? ""}/${path[1] ?? ""}`;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a name that changes is no move
  useEffect(() => {
    window.scrollTo(0, 0);
    announce(title);
  }, [place]);
  useNavigation();

  // While the daemon puts another version in its place it is away for a moment, and that is no fault.
  const replaced = self.data?.upgrade !== undefined;
  return (
    <div className="flex min-h-dvh flex-col">
      <button
        type="button"
        // No link: the part of the address behind # names the view.
        onClick={() => document.getElementById("main")?.focus()}
        className="sr-only focus:not-sr-only focus:absolute focus:z-50 focus:m-2 focus:rounded-md focus:bg-surface focus:p-2"
      >
        Skip to the content
      </button>
      <Header self={self.data} view={view} workers={workers.data} />
      <CommandPalette />
      <LinkBanner
        link={link}
        server="the daemon"
        lastSeen={workers.dataUpdatedAt || null}
        {...(replaced
          ? { note: "It is being upgraded and comes back by itself; workers go on running meanwhile." }
          : {})}
      />
      {updated && <NewVersionBanner what="The daemon" />}
      <main
        id="main"
        tabIndex={-1}
        className={`mx-auto w-full max-w-6xl flex-1 px-4 py-5 outline-none ${stale ? "saturate-50" : ""}`}
      >
        <Suspense fallback={<Loading lines={5} />}>
          <Shown view={view} path={path} stale={stale} />
        </Suspense>
      </main>
      <footer className="mx-auto w-full max-w-6xl px-4 pt-2 pb-6 text-xs text-muted">
        {self.data && (
          <>
            State in <code className="font-mono">{self.data.home}</code>
            <span className="max-sm:hidden"> · press ? for keys</span>
          </>
        )}
      </footer>
    </div>
  );
}

function Shown({ view, path, stale }: { view: View | null; path: string[]; stale: boolean }) {
  switch (view) {
    case "overview":
      return <Overview frozen={stale} />;
    case "workers":
      return path[1] ? (
        <WorkerView key={path[1]} id={path[1]} tab={path[2]} frozen={stale} />
      ) : (
        <WorkersView frozen={stale} />
      );
    case "upgrades":
      return <Upgrades frozen={stale} />;
    case "connectivity":
      return <Connectivity frozen={stale} />;
    case "adopt":
      return <Adopt frozen={stale} />;
    case "settings":
      return <Settings />;
    default:
      return (
        <div className="card">
          <h1 className="sr-only">Page not found</h1>
          <Empty
            icon={Compass}
            title="There is nothing at this address"
            action={
              <a className="link" href={viewHref("overview")}>
                Go to the overview
              </a>
            }
          />
        </div>
      );
  }
}

/** Keys and commands that lead anywhere on the page. */
function useNavigation(): void {
  useShortcuts([
    { keys: "j", label: "Next row", run: () => moveRow(1) },
    { keys: "k", label: "Previous row", run: () => moveRow(-1) },
    { keys: "/", label: "Search", run: focusSearch },
    ...views.map((view) => ({
      keys: `g ${viewKeys[view]}`,
      label: `Go to ${viewLabels[view].toLowerCase()}`,
      run: () => goTo(viewHref(view)),
    })),
  ]);
  useCommands(
    views.map((view) => ({
      id: view,
      label: viewLabels[view],
      group: "Go to",
      keys: `g ${viewKeys[view]}`,
      run: () => goTo(viewHref(view)),
    })),
  );
  useCommandSource(async (typed) => {
    const wanted = typed.toLowerCase();
    const all = await queries.ensureQueryData(workersQuery);
    return all
      .filter((w) => nameOf(w).toLowerCase().includes(wanted) || w.id.toLowerCase().includes(wanted))
      .slice(0, 8)
      .flatMap((w) => [
        { id: w.id, label: nameOf(w), group: "Workers", run: () => goTo(workerHref(w.id)) },
        { id: `${w.id}/log`, label: `Log of ${nameOf(w)}`, group: "Workers", run: () => goTo(workerHref(w.id, "log")) },
      ]);
  });
}
