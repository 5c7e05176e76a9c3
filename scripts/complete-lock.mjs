// Adds to web/package-lock.json the optional packages of other platforms that npm left out.
//
// npm only writes what its registry offers it. A mirror that lacks the native packages of, say, macOS makes a lock file
// that `npm ci` then refuses everywhere, because it does not name all that package.json asks for. Versions are pinned
// by the packages that ask for them, and the platform is in the name.
//
//   node scripts/complete-lock.mjs        after every `npm install` that changed the lock
import { readFileSync, writeFileSync } from "node:fs";

const file = new URL("../web/package-lock.json", import.meta.url);
const lock = JSON.parse(readFileSync(file, "utf8"));
const packages = lock.packages;
const added = [];

for (const [where, asking] of Object.entries({ ...packages })) {
  for (const [name, version] of Object.entries(asking.optionalDependencies ?? {})) {
    if (packages[`node_modules/${name}`] || packages[`${where}/node_modules/${name}`]) continue;
    const words = name.split("/").pop().split("-");
    const pick = (...known) => words.filter((word) => known.includes(word));
    const os = pick("android", "darwin", "freebsd", "linux", "openbsd", "win32");
    const libc = pick("musl");
    packages[`node_modules/${name}`] = {
      version,
      cpu: pick("arm", "arm64", "ia32", "ppc64", "riscv64", "s390x", "wasm32", "x64"),
      ...(asking.dev && { dev: true }),
      ...(libc.length > 0 && { libc }),
      license: asking.license,
      optional: true,
      ...(os.length > 0 && { os }),
    };
    added.push(name);
  }
}

lock.packages = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
for (const name of added) console.log(`added ${name}`);
