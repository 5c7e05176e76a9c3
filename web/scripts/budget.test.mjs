import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, expect, it } from "vitest";

const trees = [];
afterEach(() => {
  for (const tree of trees.splice(0)) rmSync(tree, { recursive: true });
});

/** Runs the script on a build whose files have these sizes in bytes, and says how it ended. */
async function budget(change = {}) {
  const sizes = { initial: 1000, lazy: 1000, style: 1000, picture: 1000, ...change };
  const root = mkdtempSync(join(tmpdir(), "budget-"));
  trees.push(root);
  const write = (name, content) => {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), content);
  };
  const chunk = (gzip, more = {}) => ({ raw: gzip, gzip, imports: [], dynamicImports: [], ...more });
  cpSync(new URL("budget.mjs", import.meta.url), join(root, "scripts/budget.mjs"));
  write(
    "node_modules/.cache/pages.json",
    JSON.stringify({
      "assets/main.js": chunk(500, { imports: ["assets/shared.js"], dynamicImports: ["assets/later-01234567.js"] }),
      "assets/shared.js": chunk(sizes.initial),
      "assets/later-01234567.js": chunk(sizes.lazy),
      "assets/main.css": chunk(sizes.style),
    }),
  );
  const page = '<script type="module" src="/assets/main.js"></script><link href="/assets/main.css">';
  for (const name of ["dashboard", "console"]) write(`dist/${name}.html`, page);
  write("dist/assets/picture.png", Buffer.alloc(sizes.picture));
  write("dist/packed/assets/picture.png", Buffer.alloc(sizes.picture));
  return new Promise((resolve) => {
    execFile(process.execPath, [join(root, "scripts/budget.mjs")], (error, out) =>
      resolve({ code: error?.code ?? 0, out }),
    );
  });
}

const over = ({ out }) =>
  out
    .split("\n")
    .filter((line) => line.startsWith("OVER"))
    .map((line) => line.slice(6).split("  ")[0]);

it("X10: the build fails when something is over its budget, and says what", async () => {
  const within = await budget();
  expect(within.code, within.out).toBe(0);
  expect(over(within)).toEqual([]);

  for (const [change, said] of [
    [{ initial: 129_600 }, ["dashboard: initial script"]],
    [{ initial: 169_600 }, ["dashboard: initial script", "console: initial script"]],
    [{ lazy: 90_001 }, ["dashboard: lazy later", "console: lazy later"]],
    [{ style: 20_001 }, ["dashboard: style", "console: style"]],
    [{ picture: 1_500_000 }, ["all assets, not compressed"]], // and the pages
  ]) {
    const result = await budget(change);
    expect(result.code, JSON.stringify(change)).toBe(1);
    expect(over(result)).toEqual(said);
  }
});
