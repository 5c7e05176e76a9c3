// Prints what each page weighs and fails when one is over its budget.
// Sizes are gzip kB (1 kB = 1000 bytes), as they travel.
import { readdirSync, readFileSync, statSync } from "node:fs";

const root = new URL("../", import.meta.url);
const limits = { dashboard: 130, console: 170, lazy: 90, css: 20, assets: 1500 };

let files;
try {
  files = JSON.parse(readFileSync(new URL("node_modules/.cache/pages.json", root), "utf8"));
} catch {
  console.error("budget: no build found\n  run: npm run build");
  process.exit(1);
}

/** The chunk and everything it cannot start without. */
function closure(name, seen = new Set()) {
  if (seen.has(name) || !files[name]) return seen;
  seen.add(name);
  for (const next of files[name].imports) closure(next, seen);
  return seen;
}
const weigh = (names) => [...names].reduce((sum, name) => sum + files[name].gzip, 0) / 1000;

const rows = [];
const row = (what, size, limit) => rows.push({ what, size, limit, over: size > limit });

const initial = {};
for (const page of ["dashboard", "console"]) {
  const html = readFileSync(new URL(`dist/${page}.html`, root), "utf8");
  const named = [...html.matchAll(/(?:src|href)="\/([^"]+)"/g)].map((m) => m[1]);
  initial[page] = new Set(named.filter((n) => n.endsWith(".js")).flatMap((n) => [...closure(n)]));
  row(`${page}: initial script`, weigh(initial[page]), limits[page]);
  row(`${page}: style`, weigh(named.filter((n) => n.endsWith(".css"))), limits.css);
}
for (const page of ["dashboard", "console"]) {
  // What is fetched later may fetch more, later still. It weighs what is not there yet: neither from the start, nor with
  // any of the parts that fetch it.
  const there = new Map();
  const follow = (names) => {
    const have = new Set([...initial[page], ...names]);
    for (const next of [...names].flatMap((n) => files[n].dynamicImports)) {
      if (!files[next]) continue;
      const known = there.get(next);
      there.set(next, known ? new Set([...known].filter((n) => have.has(n))) : have);
      if (!known) follow(closure(next));
    }
  };
  follow(initial[page]);
  for (const [chunk, have] of [...there].sort(([a], [b]) => a.localeCompare(b))) {
    const more = [...closure(chunk)].filter((n) => !have.has(n));
    if (more.length > 0)
      row(`${page}: lazy ${chunk.replace(/^assets\/|-[\w-]{8}\.js$/g, "")}`, weigh(more), limits.lazy);
  }
}
/** What all files below a folder weigh, but for those of a folder called but. */
const size = (dir, but) =>
  readdirSync(dir, { withFileTypes: true }).reduce((sum, e) => {
    if (!e.isDirectory()) return sum + statSync(new URL(e.name, dir)).size / 1000;
    return e.name === but ? sum : sum + size(new URL(`${e.name}/`, dir), but);
  }, 0);
const dist = new URL("dist/", root);
row("all assets, not compressed", size(dist, "packed"), limits.assets);

const width = Math.max(...rows.map((r) => r.what.length));
for (const r of rows) {
  console.log(`${r.over ? "OVER" : "ok  "}  ${r.what.padEnd(width)}  ${r.size.toFixed(1).padStart(7)} / ${r.limit} kB`);
}
console.log(
  `      ${"embedded in each program".padEnd(width)}  ${size(new URL("packed/", dist)).toFixed(1).padStart(7)} kB`,
);
if (rows.some((r) => r.over)) {
  console.error("budget: over; load it lazily or do without");
  process.exit(1);
}
