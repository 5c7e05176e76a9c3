// Helper of run.sh: what is easier to say about JSON here than in a shell.
//
//   node scripts/result.mjs ready URL SERVICE SINCE    exit 0 when the service gave a sign of life after SINCE (ISO time)
//   node scripts/result.mjs show URL RUN [EXPECTED]    print the result of a run; exit 1 unless it completed as expected
import { readFile } from "node:fs/promises";

const [verb, url, id, extra] = process.argv.slice(2);

async function get(path) {
  const response = await fetch(url + path, { signal: AbortSignal.timeout(10_000) });
  const body = await response.json();
  if (!response.ok) throw new Error(`${path}: ${body.error ?? response.status}`);
  return body;
}

const line = (name, value) => console.log(`  ${String(name).padEnd(15)} ${value}`);

async function ready() {
  const { service } = await get(`/api/services/${encodeURIComponent(id)}`);
  const seen = [service.lastHeartbeat, service.registeredAt].filter(Boolean).map(Date.parse);
  return Math.max(...seen) >= Date.parse(extra);
}

async function show() {
  const run = await get(`/api/runs/${id}`);
  const completed = run.tasks.filter((task) => task.status === "completed");
  line(run.status, `${completed.length} of ${run.tasks.length} tasks`);
  for (const task of run.tasks) {
    if (task.error) line(task.taskId, `${task.status}: ${task.error}`);
  }
  if (run.status !== "completed") return false;

  const last = run.tasks.find((task) => task.taskId === "summarize");
  const { content } = await get(`/api/storage/${last.outputPath}`);
  const facts = Object.entries(content).filter(([, value]) => value === null || typeof value !== "object");
  for (const [name, value] of facts) line(name, String(value).replace(/\s+/g, " ").slice(0, 300));
  if (!extra) return true;

  const expected = JSON.parse(await readFile(extra, "utf8"));
  const wrong = Object.entries(expected).filter(([name, value]) => JSON.stringify(content[name]) !== JSON.stringify(value));
  for (const [name, value] of wrong) line("wrong", `${name} is ${JSON.stringify(content[name])}, should be ${JSON.stringify(value)}`);
  const tasks = completed.map((task) => task.taskId).sort().join(" ");
  const four = tasks === "download extract-tables extract-text summarize";
  if (!four) line("wrong", `the completed tasks are ${tasks}`);
  return wrong.length === 0 && four;
}

try {
  process.exit((await (verb === "ready" ? ready() : show())) ? 0 : 1);
} catch (error) {
  if (verb === "show") console.error(`  ${error.message}`);
  process.exit(1);
}
