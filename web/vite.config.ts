import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { gzipSync } from "node:zlib";
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

// The theme has to be set before the first paint, so its script must block,
// which a module never does; and the policy forbids inline script. So it is a
// classic script of its own, hashed like every other asset.
function themeScript(): Plugin {
  const source = readFileSync(new URL("src/theme-boot.js", import.meta.url), "utf8");
  const hash = createHash("sha256").update(source).digest("base64url").slice(0, 8);
  const file = `assets/theme-${hash}.js`;
  return {
    name: "theme-script",
    configureServer(server) {
      server.middlewares.use(`/${file}`, (_req, res) => {
        res.setHeader("content-type", "text/javascript").end(source);
      });
    },
    transformIndexHtml: () => [{ tag: "script", attrs: { src: `/${file}` }, injectTo: "head-prepend" }],
    generateBundle() {
      this.emitFile({ type: "asset", fileName: file, source });
    },
  };
}

// Go embeds dist/packed: every file once, as FILE.gz where that is smaller. Its
// empty .gitkeep is what there is to embed in a tree without a build; emptying
// dist must not lose it. The list of chunks goes to the budget script.
function finish(): Plugin {
  return {
    name: "finish",
    apply: "build",
    enforce: "post",
    writeBundle(options, bundle) {
      const packedDir = `${options.dir ?? "dist"}/packed`;
      const chunks: Record<string, unknown> = {};
      for (const item of Object.values(bundle)) {
        const source = item.type === "chunk" ? item.code : item.source;
        const packed = gzipSync(source, { level: 9 });
        const compressible = /\.(js|css|html|svg|json)$/.test(item.fileName);
        const file = `${packedDir}/${item.fileName}`;
        mkdirSync(dirname(file), { recursive: true });
        if (compressible) writeFileSync(`${file}.gz`, packed);
        else writeFileSync(file, source);
        chunks[item.fileName] = {
          raw: Buffer.byteLength(source),
          gzip: packed.length,
          imports: item.type === "chunk" ? item.imports : [],
          dynamicImports: item.type === "chunk" ? item.dynamicImports : [],
        };
      }
      writeFileSync(`${packedDir}/.gitkeep`, "");
      const cache = new URL("node_modules/.cache/", import.meta.url);
      mkdirSync(cache, { recursive: true });
      writeFileSync(new URL("pages.json", cache), JSON.stringify(chunks, null, 1));
    },
  };
}

// `npm run dev` speaks to programs that run already.
const daemon = process.env.PIPEDAI_DEV_DAEMON ?? "http://127.0.0.1:4599";
const controlPlane = process.env.PIPEDAI_DEV_CONTROLPLANE ?? "http://127.0.0.1:3000";

export default defineConfig({
  plugins: [react(), tailwindcss(), themeScript(), finish()],
  appType: "mpa",
  test: { include: ["src/**/*.test.{ts,tsx}", "scripts/*.test.mjs"] },
  build: {
    target: "es2022",
    assetsInlineLimit: 0, // a data: URL would need a wider policy
    modulePreload: { polyfill: false },
    rolldownOptions: { input: { dashboard: "dashboard.html", console: "console.html" } },
  },
  server: {
    host: "127.0.0.1",
    proxy: {
      "/api": process.env.PIPEDAI_DEV_PAGE === "dashboard" ? { target: daemon, ws: true } : { target: controlPlane },
    },
  },
});
