// `node e2e/shots.mjs FOLDER [name...]`: pictures of every screen, in both themes and on a narrow screen, to be looked at.
import { mkdirSync } from "node:fs";
import { launch } from "./browser.mjs";
import { screens, startServers, visit } from "./screens.mjs";

const [folder = "shots", ...only] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const servers = startServers();
const browser = await launch();

for (const screen of screens) {
  if (only.length > 0 && !only.includes(screen.name)) continue;
  for (const [suffix, colorScheme, width, height] of [
    ["light", "light", 1280, 800],
    ["dark", "dark", 1280, 800],
    ["narrow", "light", 360, 740],
  ]) {
    const context = await browser.newContext({ colorScheme, viewport: { width, height } });
    const page = await context.newPage();
    page.setDefaultTimeout(10_000);
    const note = (what) => console.log(screen.name, suffix, what);
    page.on("console", (m) => m.type() === "error" && note(m.text()));
    page.on("pageerror", (e) => note(e.message));
    await visit(page, screen, servers).catch((e) => note(String(e).split("\n")[0]));
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    if (wide > 0) note(`scrolls sideways by ${wide}`);
    await page.screenshot({ path: `${folder}/${screen.name}-${suffix}.png`, fullPage: !screen.act });
    await context.close();
  }
}
await browser.close();
await servers.stop();
process.exit(0);
