// Serves the build the way web/handler.go does, with the same policy, so that what the policy refuses shows up here too.
import { existsSync, readFileSync } from "node:fs";
import { extname } from "node:path";

const root = new URL("../../", import.meta.url);
const policy = readFileSync(new URL("csp.txt", root), "utf8").trim();
const types = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};

export function serveStatic(req, res, index) {
  const path = new URL(req.url, "http://fake").pathname;
  const asset = path.startsWith("/assets/") && !path.includes("..");
  const name = asset ? path.slice(1) : index;
  res.setHeader("content-security-policy", policy);
  res.setHeader("x-content-type-options", "nosniff");
  const file = new URL(`dist/${name}`, root);
  if ((!asset && extname(path) !== "" && !req.headers.accept?.includes("text/html")) || !existsSync(file)) {
    sendJSON(res, 404, { error: "Not found" });
    return;
  }
  res.setHeader("cache-control", asset ? "public, max-age=31536000, immutable" : "no-store");
  res.writeHead(200, { "content-type": types[extname(name)] ?? "application/octet-stream" });
  res.end(readFileSync(file));
}

export function sendJSON(res, status, body) {
  res.writeHead(status, {
    "content-type": "application/json",
    "cache-control": "no-store",
    "x-request-id": "req_fake",
  });
  res.end(JSON.stringify(body));
}

export async function readJSON(req) {
  let text = "";
  for await (const chunk of req) text += chunk;
  return text === "" ? {} : JSON.parse(text);
}

/** Starts a server on loopback; stop ends it and everything that is connected. */
export async function listen(server, port = 0) {
  const sockets = new Set();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  // A port that is taken up again may be lent to somebody's connection for a moment.
  for (let tries = 0; !server.listening; tries++) {
    try {
      await new Promise((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
    } catch (error) {
      if (port === 0 || error.code !== "EADDRINUSE" || tries === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  return {
    port: server.address().port,
    stop: () =>
      new Promise((resolve) => {
        server.close(resolve);
        for (const socket of sockets) socket.destroy();
      }),
  };
}
