// `node e2e/shots.mjs FOLDER [name...]`: pictures of every page, in both themes and on a narrow screen, to be looked at.
import { mkdirSync } from "node:fs";
import { launch } from "./browser.mjs";
import { startControlPlane } from "./fake/controlplane.mjs";
import { startDaemon } from "./fake/daemon.mjs";

const [folder = "shots", ...only] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const daemon = await startDaemon({ scene: "crowd" });
const noHost = await startDaemon({ scene: "empty" });
const pending = await startDaemon({ scene: "pending" });
const revoked = await startDaemon({ scene: "revoked" });
const full = await startControlPlane();
const empty = await startControlPlane({ scene: "empty" });
const browser = await launch();
const go = (base, path) => `${base}${path}${path.includes("?") ? "&" : "?"}token=`;
const { failed, short, live } = full.seeded;

const pages = {
  dashboard: [daemon.url],
  "dashboard-empty": [noHost.url],
  "dashboard-no-token": [`${daemon.base}/`],
  "dashboard-pending": [pending.url],
  "dashboard-revoked": [revoked.url],
  "dashboard-workers": [daemon.at("workers")],
  "dashboard-build": [daemon.at("workers?build=1")],
  "dashboard-worker": [daemon.at("workers/wrk_01hzq4k8img")],
  "dashboard-log": [daemon.at("workers/wrk_01hzq4k8img/log"), (page) => page.getByText("heartbeat").first().waitFor()],
  "dashboard-runs": [daemon.at("workers/wrk_01hzq4k8img/runs")],
  "dashboard-upgrades": [daemon.at("upgrades")],
  "dashboard-connectivity": [daemon.at("connectivity")],
  "dashboard-adopt": [daemon.at("adopt")],
  "dashboard-settings": [daemon.at("settings")],
  "dashboard-confirm": [
    daemon.at("workers"),
    (page) => page.getByRole("button", { name: "Stop image-resizer" }).click(),
  ],
  "dashboard-help": [daemon.url, (page) => page.keyboard.press("?")],
  "sign-in": [`${full.base}/`],
  home: [`${go(full.base, "/")}pwk_fake`],
  "home-empty": [`${go(empty.base, "/")}pwk_fake`],
  pipelines: [`${go(full.base, "/pipelines")}pwk_fake`],
  pipeline: [`${go(full.base, "/pipelines/pdf-processor")}pwk_fake`],
  trigger: [
    `${go(full.base, "/pipelines/pdf-processor")}pwk_fake`,
    (page) => page.getByRole("button", { name: "Run", exact: true }).click(),
  ],
  runs: [`${go(full.base, "/runs")}pwk_fake`],
  "run-live": [`${go(full.base, `/runs/${live.id}`)}pwk_fake`],
  "run-failed": [`${go(full.base, `/runs/${failed.id}?task=extract-tables`)}pwk_fake`],
  "run-short": [`${go(full.base, `/runs/${short.id}?view=table&task=extract-text`)}pwk_fake`],
  "run-timeline": [`${go(full.base, `/runs/${failed.id}?tab=timeline`)}pwk_fake`],
  "run-replayed": [`${go(full.base, `/runs/${full.seeded.replayed.id}?tab=timeline`)}pwk_fake`],
  "run-tasks": [`${go(full.base, `/runs/${failed.id}?tab=tasks`)}pwk_fake`],
  "run-events": [`${go(full.base, `/runs/${live.id}?tab=events`)}pwk_fake`],
  "run-data": [`${go(full.base, `/runs/${short.id}?tab=data`)}pwk_fake`],
  replay: [
    `${go(full.base, `/runs/${failed.id}`)}pwk_fake`,
    (page) => page.getByRole("button", { name: "Replay what broke" }).click(),
  ],
  "dead-letters": [`${go(full.base, "/dead-letters")}pwk_fake`],
  queue: [`${go(full.base, "/queue")}pwk_fake`],
  task: [`${go(full.base, "/tasks/download")}pwk_fake`],
  storage: [`${go(full.base, "/storage?prefix=runs/")}pwk_fake`],
  "storage-object": [`${go(full.base, `/storage?prefix=runs/&object=runs/${short.id}/assets/large.txt`)}pwk_fake`],
  services: [`${go(full.base, "/services")}pwk_fake`],
  hosts: [`${go(full.base, "/hosts")}pwk_fake`],
  activate: [`${go(full.base, "/activate")}pwk_fake`],
  "activate-code": [`${go(full.base, "/activate?code=WDJB-MJHT")}pwk_fake`],
  host: [`${go(full.base, "/hosts/hst_1")}pwk_fake`],
  "hosts-add": [`${go(full.base, "/hosts?adding=true")}pwk_fake`],
  "hosts-workers": [`${go(full.base, "/hosts?view=workers")}pwk_fake`],
  "hosts-joining": [`${go(full.base, "/hosts?view=joining")}pwk_fake`],
  rollouts: [`${go(full.base, "/rollouts")}pwk_fake`],
  "rollout-start": [`${go(full.base, "/rollouts?start=true")}pwk_fake`, (page) => page.waitForTimeout(300)],
  rollout: [`${go(full.base, "/rollouts/rol_1")}pwk_fake`],
  releases: [`${go(full.base, "/releases")}pwk_fake`],
  release: [
    `${go(full.base, "/releases?open=pipedai-worker/1.5.0/stable")}pwk_fake`,
    (page) => page.waitForTimeout(300),
  ],
  tokens: [`${go(full.base, "/tokens")}pwk_fake`],
  workspaces: [`${go(full.base, "/workspaces")}pwk_fake`],
  audit: [`${go(full.base, "/audit")}pwk_fake`],
  "activate-unknown": [`${go(full.base, "/activate?code=ZZZZ-ZZZZ")}pwk_fake`],
};
for (const [name, [url, act]] of Object.entries(pages)) {
  if (only.length > 0 && !only.includes(name)) continue;
  for (const [suffix, colorScheme, width, height] of [
    ["light", "light", 1280, 800],
    ["dark", "dark", 1280, 800],
    ["narrow", "light", 360, 740],
  ]) {
    const context = await browser.newContext({ colorScheme, viewport: { width, height } });
    const page = await context.newPage();
    page.on("console", (m) => m.type() === "error" && console.log(name, suffix, m.text()));
    page.on("pageerror", (e) => console.log(name, suffix, e.message));
    await page.goto(url);
    await page.waitForTimeout(600);
    try {
      await act?.(page);
    } catch (e) {
      console.log(name, suffix, String(e).split("\n")[0]);
    }
    await page.waitForTimeout(250);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    if (wide > 0) console.log(name, suffix, `scrolls sideways by ${wide}`);
    await page.screenshot({ path: `${folder}/${name}-${suffix}.png`, fullPage: !act });
    await context.close();
  }
}
await browser.close();
await Promise.all([daemon, noHost, pending, revoked, full, empty].map((s) => s.stop()));
process.exit(0);
