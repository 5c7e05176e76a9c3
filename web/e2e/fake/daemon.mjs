// A host daemon that holds everything in memory: the local API as the dashboard uses it.
import { createServer } from "node:http";
import { answerHost } from "./daemon-host.mjs";
import { answerWorker } from "./daemon-worker.mjs";
import { faults } from "./faults.mjs";
import { adoptableOf, crowd, eventsOf, iso, operationsOf, sample, samplesOf, selfOf } from "./host.mjs";
import { disguise } from "./hostile.mjs";
import { listen, sendJSON, serveStatic } from "./static.mjs";
import { accept } from "./websocket.mjs";

const token = "oct_fake";

/** scene: "one" worker (default), a "crowd" in every state, the same with "hostile" names, "empty", "pending" or "revoked". stepMs: of an upgrade; holdAt: the step at which it waits for `daemon.host.letGo()`. still: nothing happens by itself. */
export async function startDaemon({ scene: asked = "one", port = 0, stepMs = 300, holdAt, still = false } = {}) {
  const wild = asked === "hostile" ? disguise("daemon") : null;
  const scene = wild ? "crowd" : asked;
  let letGo;
  const held = new Promise((done) => {
    letGo = done;
  });
  const none = scene === "empty" || scene === "pending";
  const workers = none ? [] : scene === "crowd" ? crowd() : crowd().slice(0, 1);
  const readers = new Set();
  const host = {
    scene,
    stepMs,
    holdAt,
    held,
    letGo,
    workers,
    self: selfOf(scene),
    operations: operationsOf(scene),
    events: eventsOf(workers),
    samples: samplesOf(),
    adoptable: adoptableOf(scene),
    logs: new Map(workers.map((w) => [w.id, []])),
    refuse: new Set(), // workers whose control plane says no
    broken: new Set(), // paths that answer 500
    seq: 100,
    broadcast(frame) {
      const text = JSON.stringify({ seq: ++host.seq, ...frame });
      for (const send of readers) send(text);
    },
    status: () => host.broadcast({ kind: "status", items: workers }),
    log(id, stream, line, age = 0) {
      const lines = host.logs.get(id) ?? [];
      host.logs.set(id, lines);
      const before = lines.at(-1);
      const entry = { ts: Date.now() - age, stream, line, pos: before ? before.pos + before.line.length + 40 : 0 };
      lines.push(entry);
      if (age === 0) host.broadcast({ kind: "log", id, ...entry });
    },
    happen(type, data = {}, workerId) {
      const event = { seq: host.events.length + 1, at: iso(), type, data, ...(workerId ? { workerId } : {}) };
      host.events.push(event);
      host.broadcast({ kind: "event", event });
    },
    look(verdict) {
      const seen = sample(verdict);
      host.samples.push(seen);
      host.broadcast({ kind: "connectivity", sample: seen });
    },
    tell(op, change) {
      Object.assign(op, change, { updatedAt: iso() });
      host.broadcast({ kind: "operation", operation: op });
    },
  };
  for (const w of workers) {
    for (let n = 60; n > 0; n--) {
      const bad = n % 17 === 0;
      const task = ["download", "extract-text", "summarize"][n % 3];
      const text = bad
        ? "warning: page 3 has no text layer, falling back to recognition"
        : `claimed run prun_0192f3c4d${100 - n}, task ${task}, took ${n * 7} ms`;
      host.log(w.id, bad ? "err" : "out", text, n * 1_500);
    }
  }
  let beats = 0;
  const clock = setInterval(() => {
    for (const w of workers)
      if (w.local.state === "running" && !still) {
        w.local.cpuSeconds += 0.4;
        host.log(w.id, "out", `heartbeat ${++beats}: waiting for work`);
      }
  }, 1_000);

  const trouble = faults();
  const sockets = new Set();
  let revoked = false;
  const server = createServer(async (req, res) => {
    wild?.wrap(req, res);
    const url = new URL(req.url, "http://fake");
    if (!url.pathname.startsWith("/api/"))
      return url.pathname === "/" || url.pathname.startsWith("/assets/")
        ? serveStatic(req, res, "dashboard.html")
        : sendJSON(res, 404, { error: "Not found" });
    if (req.headers.authorization !== `Bearer ${token}`)
      return sendJSON(res, 401, { error: "Unauthorized", code: "unauthorized", requestId: "req_fake" });
    if (await trouble.answer(req, res, url)) return;
    if (host.broken.has(url.pathname))
      return sendJSON(res, 500, { error: "the disk is gone", code: "internal", requestId: "req_broken" });
    if (await answerHost(host, req, res, url)) return;
    if (await answerWorker(host, req, res, url)) return;
    sendJSON(res, 404, { error: "Not found", code: "not_found", requestId: "req_fake" });
  });
  server.on("upgrade", (req, socket) => {
    const url = new URL(req.url, "http://fake");
    if (url.pathname !== "/api/events" || url.searchParams.get("token") !== token || revoked)
      return socket.end("HTTP/1.1 401 Unauthorized\r\n\r\n");
    const plain = accept(req, socket);
    const send = wild ? (text) => plain(wild.json(text)) : plain;
    send(JSON.stringify({ kind: "status", seq: host.seq, items: workers }));
    readers.add(send);
    sockets.add(socket);
    socket.on("close", () => {
      readers.delete(send);
      sockets.delete(socket);
    });
  });
  const running = await listen(server, port);
  const base = `http://127.0.0.1:${running.port}`;
  return {
    ...host,
    host,
    faults: trouble,
    disguise: wild,
    /** Replaces the token: what comes with the old one is refused, and sockets are closed with 4401. */
    revoke: () => {
      revoked = true;
      trouble.set(/./, { status: 401, error: "Unauthorized", code: "unauthorized" });
      for (const socket of sockets) socket.end(Buffer.from([0x88, 2, 0x11, 0x31]));
    },
    base,
    port: running.port,
    url: `${base}/?token=${token}`,
    /** The address of a view, with the token. */
    at: (view) => `${base}/?token=${token}#/${view}`,
    stop: () => {
      clearInterval(clock);
      return running.stop();
    },
  };
}
