// The main path through both pages, in a real browser, against the real programs. pages_test.go starts those and calls
// this with a step and a JSON of facts:
//
//   node e2e/pages.mjs activate  {"console", "token", "code"}      approve a pairing request by its code
//   node e2e/pages.mjs console   {"console", "token", "document"}  run the example and watch it to its end
//   node e2e/pages.mjs dashboard {"dashboard", "label", "task"}    read a log, stop the worker and start it again
//
// It ends with 1, naming what went wrong, when a step fails, when the page complains in its console, and for every
// serious or critical finding of axe in either theme.
import { findingsInBothThemes, launch, openTab } from "../web/e2e/browser.mjs";

const [step, json] = process.argv.slice(2);
const facts = JSON.parse(json);
const problems = [];
const want = (held, text) => held || problems.push(text);

async function audit(page, where) {
  for (const finding of await findingsInBothThemes(page)) problems.push(`${where}: ${finding}`);
}

/** The token must be out of the address bar as soon as the page is there. */
async function noTokenShown(page) {
  await page.waitForFunction(() => !location.href.includes("token="));
}

const steps = {
  async activate(page) {
    await page.goto(`${facts.console}/activate?token=${facts.token}`);
    await noTokenShown(page);
    await page.getByLabel("Code from the terminal of the host").fill(facts.code);
    await audit(page, "entering a code");
    await page.getByRole("button", { name: "Look it up" }).click();
    await page.getByText("Is this the code in your own terminal, right now?").waitFor();
    want((await page.locator("[data-code]").innerText()).trim() === facts.code, "the approval page does not show the code");
    await audit(page, "deciding about a host");
    await page.getByRole("button", { name: "It is, approve" }).click();
    await page.getByRole("link", { name: "See all hosts" }).waitFor();
    await page.getByRole("link", { name: "See all hosts" }).click();
    await page.getByRole("heading", { name: "Hosts" }).first().waitFor();
    await audit(page, "hosts");
  },

  async console(page) {
    await page.goto(`${facts.console}/pipelines/pdf-processor?token=${facts.token}`);
    await noTokenShown(page);
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await page.getByLabel("Input, as JSON").fill(JSON.stringify({ pdfUrl: facts.document, extractTables: true }));
    await page.getByRole("button", { name: "Start the run" }).click();
    await page.waitForURL(/\/runs\/prun_/);
    await page.locator('[data-run-status="completed"]').waitFor({ timeout: 60_000 });
    await audit(page, "a finished run");
    await page.goto(`${page.url().split("?")[0]}?view=table`);
    for (const task of ["download", "extract-text", "extract-tables", "summarize"]) {
      const row = page.locator(`tr[data-task="${task}"]`);
      await row.waitFor();
      want((await row.innerText()).includes("Completed"), `the table does not say that ${task} is completed: ${await row.innerText()}`);
    }
    await audit(page, "the tasks of a run");
    for (const path of ["/", "/pipelines", "/runs", "/services", "/hosts"]) {
      await page.goto(facts.console + path);
      await page.getByRole("heading").first().waitFor();
      await audit(page, path);
    }
  },

  async dashboard(page) {
    await page.goto(facts.dashboard);
    await noTokenShown(page);
    await page.getByRole("heading").first().waitFor();
    await audit(page, "the host");
    await page.evaluate(() => {
      location.hash = "#/workers";
    });
    const row = page.locator("tr[data-worker]");
    await row.getByText("Running", { exact: true }).waitFor();
    await audit(page, "the workers");
    await page.getByRole("button", { name: `More for ${facts.label}` }).click();
    await page.getByRole("menuitem", { name: "Log" }).click();
    await page.getByText(facts.task).first().waitFor();
    await audit(page, "a log");
    await page.goBack();
    await page.getByRole("button", { name: `Stop ${facts.label}` }).click();
    await row.getByText("Stopped", { exact: true }).waitFor({ timeout: 60_000 });
    await audit(page, "a stopped worker");
    await page.getByRole("button", { name: `Start ${facts.label}` }).click();
    await row.getByText("Running", { exact: true }).waitFor({ timeout: 60_000 });
  },
};

const browser = await launch();
const { page, complaints } = await openTab(browser);
try {
  await steps[step](page);
} catch (error) {
  problems.push(`${page.url()}: ${error.message}`);
}
for (const complaint of complaints) problems.push(`the browser's console: ${complaint}`);
await browser.close();
for (const problem of problems) console.error(problem);
process.exit(problems.length > 0 ? 1 : 0);
