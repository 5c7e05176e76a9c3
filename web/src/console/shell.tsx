import { useQuery } from "@tanstack/react-query";
import { Outlet, Link as RouterLink, useNavigate, useRouterState } from "@tanstack/react-router";
import { LogOut, Workflow } from "lucide-react";
import { lazy, Suspense, useEffect, useRef } from "react";
import { useCommandSource, useCommands } from "../lib/commands.ts";
import { focusSearch, moveRow, useShortcuts } from "../lib/keyboard.ts";
import { IconButton } from "../ui/button.tsx";
import { KeyboardHelp, ThemeButton } from "../ui/chrome.tsx";
import { LinkBanner, LinkPill, NewVersionBanner, useBuildChanged } from "../ui/link-banner.tsx";
import { CommandPalette, PaletteButton } from "../ui/palette.tsx";
import { Empty } from "../ui/panel.tsx";
import { PreferencesButton } from "../ui/preferences.tsx";
import { type Role, useMay, useSession } from "./gate.tsx";
import { MaintenanceBanner } from "./maintenance-banner.tsx";
import { usePageTitle } from "./page-title.ts";
import { groups, type Place } from "./places.ts";
import { pendingQuery } from "./queries/enrollments.ts";
import { searchEverything } from "./search.ts";
import { link, signOut } from "./server.ts";
import { ServerMenu } from "./server-menu.tsx";
import { useServerName } from "./servers.ts";

// Nobody waits for it.
const JoinNotices = lazy(async () => ({ default: (await import("./fleet/join-notices.tsx")).JoinNotices }));

/** What stands around every page. */
export function Shell() {
  const session = useSession();
  const updated = useBuildChanged(session.build);
  const navigate = useNavigate();
  const mine = usePlaces();
  const places = mine.flatMap((g) => g.places);
  const server = useServerName();
  useShortcuts([
    ...places.map((p) => ({ keys: `g ${p.key}`, label: `Go to ${p.label}`, run: () => void navigate({ to: p.to }) })),
    { keys: "/", label: "Search or filter", run: focusSearch },
    { keys: "j", label: "Next row", run: () => moveRow(1) },
    { keys: "k", label: "Previous row", run: () => moveRow(-1) },
  ]);
  useCommands([
    ...places.map((p) => ({
      id: `go ${p.to}`,
      label: p.label,
      group: "Go to",
      keys: `g ${p.key}`,
      run: () => void navigate({ to: p.to }),
    })),
    { id: "sign out", label: "Sign out", group: "Do", run: signOut },
  ]);
  useCommandSource(searchEverything(session.workspaceId, (path) => void navigate({ href: path })));
  useRouteFocus();
  return (
    <div className="min-h-dvh md:grid md:grid-cols-[13rem_minmax(0,1fr)]">
      <a
        href="#main"
        className="sr-only focus:not-sr-only focus:absolute focus:z-50 focus:m-2 focus:rounded-md focus:bg-surface focus:p-2"
      >
        Skip to the page
      </a>
      <header className="border-line bg-surface max-md:border-b md:sticky md:top-0 md:flex md:h-dvh md:flex-col md:border-r">
        <div className="flex items-center gap-2.5 px-3 py-2.5 md:px-4 md:pt-4 md:pb-3">
          <span className="grid size-8 shrink-0 place-items-center rounded-md bg-accent text-on-accent">
            <Workflow aria-hidden className="size-4.5" />
          </span>
          <span className="min-w-0 flex-1">
            <span className="block truncate leading-5 font-semibold">Pipeweave</span>
            <span className="block truncate text-xs text-muted" title={server}>
              {[server, session.version].filter(Boolean).join(" · ")}
            </span>
          </span>
          <ServerMenu />
          <span className="flex items-center gap-1 md:hidden">
            <span className="mr-1.5">
              <LinkPill link={link} />
            </span>
            <PaletteButton />
            <PreferencesButton />
            <IconButton icon={LogOut} label="Sign out" onClick={signOut} />
          </span>
        </div>
        <Navigation groups={mine} />
        <div className="hidden space-y-2 border-t border-line px-4 py-3 md:block">
          <LinkPill link={link} />
          <p className="text-sm">
            <span className="block truncate font-medium" title={session.name}>
              {session.name}
            </span>
            <span className="block truncate text-muted">
              {session.role} · {session.workspaceId}
            </span>
          </p>
          <div className="-ml-2 flex">
            <PaletteButton />
            <ThemeButton />
            <PreferencesButton />
            <KeyboardHelp />
            <IconButton icon={LogOut} label="Sign out" onClick={signOut} />
          </div>
        </div>
      </header>
      <CommandPalette />
      <div className="min-w-0">
        <LinkBanner link={link} server="the control plane" />
        {updated && <NewVersionBanner what="The control plane" />}
        <MaintenanceBanner />
        <Suspense fallback={null}>
          <JoinNotices />
        </Suspense>
        <main id="main" tabIndex={-1} className="mx-auto max-w-6xl space-y-4 px-4 py-5 outline-none md:px-6">
          <Outlet />
        </main>
      </div>
    </div>
  );
}

/** The places that the caller's role sees. */
function usePlaces(): typeof groups {
  const sees: Record<Role, boolean> = { viewer: true, operator: useMay("operator"), admin: useMay("admin") };
  return groups
    .map((g) => ({ ...g, places: g.places.filter((p) => sees[p.role ?? "viewer"]) }))
    .filter((g) => g.places.length > 0);
}

/** Beside the page in groups; above it, on a small screen, in one row that scrolls. */
function Navigation({ groups: shown }: { groups: typeof groups }) {
  const nav = useRef<HTMLElement>(null);
  const path = useRouterState({ select: (s) => s.resolvedLocation?.pathname });
  useEffect(() => {
    if (path !== undefined)
      nav.current?.querySelector("[aria-current=page]")?.scrollIntoView({ block: "nearest", inline: "center" });
  }, [path]);
  return (
    <nav
      ref={nav}
      aria-label="Pages"
      className="relative px-2 max-md:flex max-md:overflow-x-auto max-md:pb-1.5 md:min-h-0 md:flex-1 md:overflow-y-auto md:pb-2"
    >
      {shown.map((group, i) => (
        <div
          key={group.label}
          className={i > 0 ? "max-md:ml-1.5 max-md:border-l max-md:border-line max-md:pl-1.5" : ""}
        >
          <p
            aria-hidden
            className={`px-2.5 pb-1 text-xs font-medium text-muted max-md:hidden ${i > 0 ? "pt-4" : "pt-1"}`}
          >
            {group.label}
          </p>
          <ul aria-label={group.label} className="flex gap-0.5 md:flex-col">
            {group.places.map((p) => (
              <li key={p.to}>
                <RouterLink
                  to={p.to}
                  activeOptions={{ exact: p.to === "/" }}
                  className="flex min-h-9 items-center gap-1.5 rounded-md px-2 font-medium whitespace-nowrap -outline-offset-2 md:min-h-8 md:gap-2.5 md:px-2.5"
                  activeProps={{ className: "bg-sunken text-text", "aria-current": "page" }}
                  inactiveProps={{ className: "text-muted hover:bg-sunken hover:text-text" }}
                >
                  <p.icon aria-hidden className="size-4 max-sm:hidden" />
                  {p.label}
                  <Waiting place={p} />
                </RouterLink>
              </li>
            ))}
          </ul>
        </div>
      ))}
    </nav>
  );
}

/** How many hosts wait for a word, beside where it is given. */
function Waiting({ place }: { place: Place }) {
  const pending = useQuery({ ...pendingQuery, enabled: place.to === "/hosts" });
  if (place.to !== "/hosts" || !pending.data?.length) return null;
  return (
    <span className="tone-warn tint ml-auto rounded-full border px-1.5 text-xs font-semibold">
      {pending.data.length}
      <span className="sr-only"> waiting for approval</span>
    </span>
  );
}

/** After a change of page the focus is at its start, as it is after a real load; its title is said when it is there. */
function useRouteFocus(): void {
  const path = useRouterState({ select: (s) => s.resolvedLocation?.pathname });
  const before = useRef(path);
  useEffect(() => {
    if (path === undefined || before.current === path) return;
    if (before.current !== undefined) {
      document.getElementById("main")?.focus({ preventScroll: true });
    }
    before.current = path;
  }, [path]);
}

export function NotFound() {
  usePageTitle("Page not found");
  return (
    <div className="card">
      <h1 className="sr-only">Page not found</h1>
      <Empty
        title="There is no such page"
        action={
          <RouterLink to="/" className="link">
            Back to the start
          </RouterLink>
        }
      >
        The address may be from another version.
      </Empty>
    </div>
  );
}
