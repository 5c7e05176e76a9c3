// Both pages in a real browser, against the real programs. pages_test.go starts those and this, and then has it take one
// step after the other: a line of JSON {"step", "facts"} comes in, and a line {"problems", "notes"} goes back. The browser and the
// tabs of the people in it stay from step to step.
//
// A problem is what went wrong in a step, what a page complained about in its console, and every serious or critical
// finding of axe in either theme.
import { createInterface } from "node:readline";
import { compiled, findingsInBothThemes, launch, openTab } from "../web/e2e/browser.mjs";
import { consoleSteps } from "./pages/console.mjs";
import { dashboardSteps } from "./pages/dashboard.mjs";
import { joiningSteps } from "./pages/joining.mjs";
import { largeSteps } from "./pages/large.mjs";

const steps = { ...joiningSteps, ...consoleSteps, ...dashboardSteps, ...largeSteps };

const browser = await launch([compiled]);
const tabs = new Map();
let problems = [];
let notes = [];
/** The tab that was used last, which is the one that tells what went wrong. */
let lastSeen = null;

/** What a step works with. */
const world = {
  want: (held, text) => held || problems.push(text),
  /** What is worth knowing though nothing is wrong. */
  note: (text) => notes.push(text),

  async audit(page, where) {
    for (const finding of await findingsInBothThemes(page)) problems.push(`${where}: ${finding}`);
  },

  /** The tab of a person, which is at the page that they left. */
  async tab(person, expected) {
    if (!tabs.has(person))
      tabs.set(person, await openTab(browser, { motion: true, ...(expected ? { expected } : {}) }));
    lastSeen = tabs.get(person).page;
    return lastSeen;
  },

  /** Their tab at an address of the console. The first time they come with a link that signs them in. */
  async at(person, path, facts, expected) {
    const known = tabs.has(person);
    const page = await world.tab(person, expected);
    const token = known ? "" : `${path.includes("?") ? "&" : "?"}token=${facts.tokens[person]}`;
    await page.goto(`${facts.console}${path}${token}`);
    await world.noTokenShown(page);
    return page;
  },

  /** The token must be out of the address bar as soon as the page is there. */
  noTokenShown: (page) => page.waitForFunction(() => !location.href.includes("token=")),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { step, facts } = JSON.parse(line);
  [problems, notes] = [[], []];
  try {
    await steps[step](facts, world);
  } catch (error) {
    const at = [...tabs].map(([person, { page }]) => `${person} at ${page.url()}`);
    problems.push(`${error.stack}\n${at.join("\n")}`);
    if (lastSeen) problems.push(`the page says:\n${(await lastSeen.locator("body").innerText()).slice(0, 3_000)}`);
  }
  for (const [person, { complaints }] of tabs)
    for (const complaint of complaints.splice(0)) problems.push(`the browser's console of ${person}: ${complaint}`);
  console.log(JSON.stringify({ problems, notes }));
}
await browser.close();
