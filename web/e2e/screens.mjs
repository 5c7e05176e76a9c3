// Every screen of both pages, once: pictures are taken of them, and each is looked at for what a reader may expect anywhere.
import { startControlPlane } from "./fake/controlplane.mjs";
import { startDaemon } from "./fake/daemon.mjs";

/**
 * The servers that screens are of, each started when the first screen needs it. extra are options of the fakes that hold
 * for all of them.
 */
export function startServers(extra = {}) {
  const kinds = {
    daemon: () => startDaemon({ scene: "crowd", ...extra }),
    noHost: () => startDaemon({ scene: "empty", ...extra }),
    pending: () => startDaemon({ scene: "pending", ...extra }),
    revoked: () => startDaemon({ scene: "revoked", ...extra }),
    plane: () => startControlPlane(extra),
    noWork: () => startControlPlane({ scene: "empty", ...extra }),
    viewer: () => startControlPlane({ role: "viewer", ...extra }),
    show: () => startControlPlane({ scene: "show", ...extra }),
  };
  const started = new Map();
  return {
    /** The server of a kind, started. */
    of(kind) {
      if (!started.has(kind)) started.set(kind, kinds[kind]());
      return started.get(kind);
    },
    stop: async () => {
      for (const server of started.values()) await (await server).stop();
    },
  };
}

const button = (name) => (page) =>
  page
    .getByRole("button", { name, exact: typeof name === "string" })
    .first()
    .click();
const host = (name, view, { on = "daemon", ...more } = {}) => ({ page: "dashboard", name, on, view, ...more });
const plane = (name, path, { on = "plane", ...more } = {}) => ({ page: "console", name, on, path, ...more });

/** A worker of the daemon's that is busy, so that everything about it has something to show. */
export const busyWorker = "wrk_01hzq4k8img";

/**
 * Each screen: its name, the server it is of, and where it is there. A path may be a function of what the control plane was
 * seeded with. `act` goes on to a dialog from there; `open` is a screen without a token in its address.
 */
export const screens = [
  host("dashboard", ""),
  host("dashboard-empty", "", { on: "noHost" }),
  host("dashboard-pending", "", { on: "pending" }),
  host("dashboard-revoked", "", { on: "revoked" }),
  host("dashboard-no-token", "", { open: true }),
  host("dashboard-workers", "workers"),
  host("dashboard-workers-empty", "workers", { on: "noHost" }),
  host("dashboard-workers-none-fits", "workers?q=nobody"),
  host("dashboard-build", "workers?build=1"),
  host("dashboard-worker", `workers/${busyWorker}`),
  host("dashboard-worker-gone", "workers/wrk_gone"),
  host("dashboard-worker-settings", `workers/${busyWorker}`, { act: button(/^Change|^Settings of/) }),
  host("dashboard-log", `workers/${busyWorker}/log`, {
    ready: (page) => page.getByText("heartbeat").first().waitFor(),
  }),
  host("dashboard-runs", `workers/${busyWorker}/runs`),
  host("dashboard-worker-events", `workers/${busyWorker}/events`),
  host("dashboard-upgrades", "upgrades"),
  host("dashboard-upgrades-empty", "upgrades", { on: "noHost" }),
  host("dashboard-connectivity", "connectivity"),
  host("dashboard-adopt", "adopt"),
  host("dashboard-adopt-empty", "adopt", { on: "noHost" }),
  host("dashboard-settings", "settings"),
  host("dashboard-nowhere", "nowhere"),
  host("dashboard-confirm", "workers", {
    // It has a run in hand.
    act: (page) => page.locator(`tr[data-worker="${busyWorker}"]`).getByRole("button", { name: /^Stop/ }).click(),
  }),
  host("dashboard-help", "", { act: (page) => page.keyboard.press("?") }),
  host("dashboard-palette", "", { act: (page) => page.keyboard.press("Control+k") }),
  host("dashboard-preferences", "", { act: button("Preferences") }),

  plane("sign-in", "/", { open: true }),
  plane("home", "/"),
  plane("home-empty", "/", { on: "noWork" }),
  plane("pipelines", "/pipelines"),
  plane("pipelines-empty", "/pipelines", { on: "noWork" }),
  plane("pipeline", "/pipelines/pdf-processor"),
  plane("trigger", "/pipelines/pdf-processor", { act: button("Run") }),
  plane("runs", "/runs"),
  plane("runs-empty", "/runs", { on: "noWork" }),
  plane("runs-none-fits", "/runs?text=nothing-has-this-name"),
  plane("run-live", ({ live }) => `/runs/${live.id}`),
  plane("run-failed", ({ failed }) => `/runs/${failed.id}?task=extract-tables`),
  plane("run-short", ({ short }) => `/runs/${short.id}?task=extract-text`),
  plane("run-timeline", ({ failed }) => `/runs/${failed.id}?tab=timeline`),
  plane("run-replayed", ({ replayed }) => `/runs/${replayed.id}?tab=timeline`),
  plane("run-tasks", ({ failed }) => `/runs/${failed.id}?tab=tasks`),
  plane("run-logs", ({ failed }) => `/runs/${failed.id}?tab=logs`),
  plane("run-events", ({ live }) => `/runs/${live.id}?tab=events`),
  plane("run-data", ({ short }) => `/runs/${short.id}?tab=data`),
  plane("run-gone", "/runs/prun_gone"),
  plane("replay", ({ failed }) => `/runs/${failed.id}`, { act: button("Replay what broke") }),
  plane("dead-letters", "/dead-letters"),
  plane("dead-letters-empty", "/dead-letters", { on: "noWork" }),
  plane("services", "/services"),
  plane("services-empty", "/services", { on: "noWork" }),
  plane("task", "/tasks/download"),
  plane("queue", "/queue"),
  plane("queue-empty", "/queue", { on: "noWork" }),
  plane("storage", "/storage?prefix=runs/"),
  plane("storage-empty", "/storage", { on: "noWork" }),
  plane("storage-object", ({ short }) => `/storage?prefix=runs/&object=runs/${short.id}/assets/large.txt`),
  plane("hosts", "/hosts"),
  plane("hosts-empty", "/hosts", { on: "noWork" }),
  plane("hosts-add", "/hosts?adding=true"),
  plane("hosts-workers", "/hosts?view=workers"),
  plane("hosts-pool", "/hosts?view=pool"),
  plane("hosts-joining", "/hosts?view=joining"),
  plane("host", "/hosts/hst_1"),
  plane("host-pause", "/hosts/hst_1", { act: button(/^Pause or drain /) }),
  plane("host-revoke", "/hosts/hst_1", { act: button(/^Revoke /) }),
  plane("activate", "/activate"),
  plane("activate-code", "/activate?code=WDJB-MJHT"),
  plane("activate-unknown", "/activate?code=ZZZZ-ZZZZ"),
  plane("rollouts", "/rollouts"),
  plane("rollouts-empty", "/rollouts", { on: "noWork" }),
  plane("rollout-start", "/rollouts?start=true"),
  plane("rollout", "/rollouts/rol_1"),
  plane("releases", "/releases"),
  plane("releases-empty", "/releases", { on: "noWork" }),
  plane("release", "/releases?open=pipedai-worker/1.5.0/stable"),
  plane("tokens", "/tokens"),
  plane("token-create", "/tokens", { act: button(/^Create a token/) }),
  plane("workspaces", "/workspaces"),
  plane("workspace-create", "/workspaces", { act: button(/^Create a workspace/) }),
  plane("audit", "/audit"),
  plane("audit-viewer", "/audit", { on: "viewer" }),
  plane("hosts-viewer", "/hosts", { on: "viewer" }),
  plane("nowhere", "/nowhere"),
  plane("control-planes", "/", {
    act: async (page) => {
      await button("Control planes")(page);
      await page.getByRole("menuitem", { name: "Manage…" }).click();
    },
  }),
  plane("console-help", "/", { act: (page) => page.keyboard.press("?") }),
  plane("console-palette", "/", { act: (page) => page.keyboard.press("Control+k") }),
  plane("console-preferences", "/", { act: button("Preferences") }),
];

/** The whole address of a screen on its server. */
export function addressOf(screen, server) {
  if (screen.open) return `${server.base}/`;
  if (screen.page === "dashboard") return server.at(screen.view);
  const named = typeof screen.path === "function" ? screen.path(server.seeded) : screen.path;
  return server.at(server.disguise?.address(named) ?? named);
}

/** Goes to a screen and returns its server, when everything that loads on it is there. */
export async function visit(page, screen, servers) {
  const server = await servers.of(screen.on);
  // One page, another part of the address behind #: the browser would not load it again.
  if (page.url().startsWith(`${server.base}/`) && screen.page === "dashboard") await page.goto("about:blank");
  await page.goto(addressOf(screen, server));
  await settled(page);
  await screen.ready?.(page);
  if (screen.act) {
    await screen.act(page);
    await page.getByRole("dialog").waitFor();
    await settled(page);
  }
  return server;
}

/** Waits until there is a heading and nothing says any more that it loads. */
export async function settled(page) {
  await page.waitForFunction(() => {
    const headed = document.querySelector("h1");
    const loading = document.querySelector('.skeleton, [role=status][aria-label^="Loading"], [aria-busy=true]');
    return headed !== null && loading === null;
  });
}
