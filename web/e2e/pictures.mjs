// `node e2e/pictures.mjs FOLDER [name...]`: the pictures of the documentation, in both themes. `make screenshots` runs it.
//
// They are taken of the fakes, not of the real programs: a week of work of a whole fleet, with a failure, a rollout and a
// host at the door, would take a week to make with real ones, and would look different each time. The pages are the real
// ones, built as they are shipped. Clock, ids and dice stand still, so a second run on the same machine changes no file;
// another machine has other fonts.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { launch } from "./browser.mjs";
import { looksLike, smaller } from "./png.mjs";
import { screens, startServers, visit } from "./screens.mjs";

/** A Wednesday in the morning. */
const now = Date.UTC(2026, 2, 11, 10, 24, 0);
Date.now = () => now;

/** A picture shows a screen of the table, of another server or at another place of it where `more` says so. */
const picture = (name, screen = name, more = {}) => {
  const found = screens.find((s) => s.name === screen);
  if (!found) throw new Error(`there is no screen ${screen}`);
  return { ...found, ...(found.page === "console" ? { on: "show" } : {}), ...more, picture: name };
};
const pictures = [
  picture("sign-in"),
  picture("home"),
  picture("home-empty", "home-empty", { on: "noWork" }),
  picture("pipelines"),
  picture("trigger", "trigger"),
  picture("runs"),
  picture("run", "run-live"),
  picture("run-failed", "run-failed", { path: ({ failed }) => `/runs/${failed.id}` }),
  picture("run-timeline", "run-timeline", { path: ({ short }) => `/runs/${short.id}?tab=timeline` }),
  picture("dead-letters"),
  picture("hosts"),
  picture("approve", "activate-code"),
  picture("rollout"),
  picture("releases"),
  picture("tokens"),
  picture("audit"),
  picture("palette", "console-palette"),
  picture("dashboard"),
  picture("dashboard-workers"),
  picture("dashboard-log", "dashboard-log", { ready: (page) => page.getByText("claimed run").first().waitFor() }),
  picture("dashboard-upgrades"),
  picture("dashboard-connectivity"),
];

const [folder = "pictures", ...only] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const servers = startServers({ still: true });

// The address of the control plane is in some pictures, and a free port is another one each time.
const named = { show: "http://pipeweave.example.org", noWork: "http://new.example.org" };
const rules = [];
for (const [kind, base] of Object.entries(named)) {
  const server = await servers.of(kind);
  rules.push(`MAP ${new URL(base).host}:80 127.0.0.1:${server.port}`);
  server.base = base;
}
const browser = await launch([`--host-resolver-rules=${rules.join(",")}`]);
const wrong = [];
for (const shown of pictures) {
  if (only.length > 0 && !only.includes(shown.picture)) continue;
  for (const colorScheme of ["light", "dark"]) {
    const context = await browser.newContext({
      colorScheme,
      viewport: { width: 1280, height: 800 },
      reducedMotion: "reduce",
      locale: "en-GB",
      timezoneId: "UTC",
    });
    await context.clock.setFixedTime(now);
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    const note = (what) => wrong.push(`${shown.picture} ${colorScheme}: ${what}`);
    page.on("console", (m) => m.type() === "error" && note(m.text()));
    page.on("pageerror", (e) => note(e.message));
    await visit(page, shown, servers);
    if (!shown.open) await page.locator('[data-link="live"]').first().waitFor({ state: "attached" });
    await page.evaluate(() => document.fonts.ready);
    const file = `${folder}/${shown.picture}-${colorScheme}.png`;
    const png = smaller(await page.screenshot({ animations: "disabled" }));
    if (!existsSync(file) || !looksLike(readFileSync(file), png)) writeFileSync(file, png);
    await context.close();
  }
}
await browser.close();
await servers.stop();
// What no picture is called any more would stay for ever.
const mine = new Set(pictures.flatMap((p) => [`${p.picture}-light.png`, `${p.picture}-dark.png`]));
if (only.length === 0) for (const name of readdirSync(folder)) if (!mine.has(name)) rmSync(`${folder}/${name}`);
for (const line of wrong) console.error(line);
process.exit(wrong.length > 0 ? 1 : 0);
