// A host daemon that holds everything in memory: the local API as the dashboard uses it.
import { createServer } from "node:http";
import { listen, readJSON, sendJSON, serveStatic } from "./static.mjs";
import { accept } from "./websocket.mjs";

const token = "oct_fake";
const iso = (ageMs) => new Date(Date.now() - ageMs).toISOString();

function worker(id, label, local, more = {}) {
  return {
    id,
    label,
    mode: "workspace",
    apiUrl: "http://127.0.0.1:3000",
    desiredState: "enabled",
    local: {
      id,
      state: "stopped",
      pid: null,
      startedAt: null,
      restarts: 0,
      lastExit: null,
      draining: false,
      nextStartAt: null,
      totalRestarts: 0,
      reattached: false,
      ...local,
    },
    remote: {
      status: "online",
      derivedStatus: "online",
      currentRunId: null,
      version: "0.1.0",
      lastSeenAt: iso(3_000),
      disabled: false,
    },
    lastEvent: { type: "worker.started", at: iso(95_000) },
    busy: false,
    currentRunId: null,
    workerVersion: "0.1.0",
    latestWorkerVersion: "0.1.0",
    versionStale: false,
    running: true,
    enabled: true,
    remoteFetchedAt: iso(4_000),
    ...more,
  };
}

function crowd() {
  const now = Date.now();
  return [
    worker("wrk_01hzq4k8pdf", "pdf-processor", {
      state: "running",
      pid: 48_213,
      startedAt: now - 5_040_000,
      totalRestarts: 1,
      reattached: true,
    }),
    worker(
      "wrk_01hzq4k8img",
      "image-resizer",
      { state: "running", pid: 48_220, startedAt: now - 905_000 },
      {
        busy: true,
        currentRunId: "prun_0192f3c4d5e6",
        versionStale: true,
        latestWorkerVersion: "0.2.0",
        remote: {
          status: "online",
          derivedStatus: "busy",
          currentRunId: "prun_0192f3c4d5e6",
          version: "0.1.0",
          lastSeenAt: iso(1_000),
          disabled: false,
        },
        lastEvent: { type: "concurrency.changed", at: iso(30_000) },
      },
    ),
    worker(
      "wrk_01hzq4k8ocr",
      "ocr",
      {
        state: "backing-off",
        restarts: 3,
        totalRestarts: 7,
        nextStartAt: now + 42_000,
        lastExit: { code: 1, signal: null, at: now - 18_000 },
        restartReason: "exit 1, third failure in a row",
      },
      {
        remote: {
          status: "offline",
          derivedStatus: "offline",
          currentRunId: null,
          version: "0.1.0",
          lastSeenAt: iso(20_000),
          disabled: false,
        },
        lastEvent: { type: "worker.stopped", at: iso(18_000) },
      },
    ),
    worker(
      "wrk_01hzq4k8mail",
      "mailer",
      {
        state: "crashed",
        totalRestarts: 12,
        restarts: 5,
        lastExit: { code: null, signal: null, at: now - 600_000 },
        lastError: "exec pipedai-worker: no such file or directory",
      },
      { remote: null, lastEvent: null, remoteError: "the control plane does not know this worker" },
    ),
    worker(
      "wrk_01hzq4k8arch",
      "archiver",
      { state: "stopped", lastExit: { code: 0, signal: null, at: now - 7_200_000 } },
      {
        running: false,
        remote: {
          status: "offline",
          derivedStatus: "disabled",
          currentRunId: null,
          version: "0.1.0",
          lastSeenAt: iso(7_200_000),
          disabled: true,
        },
      },
    ),
  ];
}

/** scene: "one" worker (default), a "crowd" in every state, or "empty". */
export async function startDaemon({ scene = "one", port = 0 } = {}) {
  const workers = scene === "empty" ? [] : scene === "crowd" ? crowd() : crowd().slice(0, 1);
  const self = {
    version: "0.1.0",
    latest: null,
    stale: false,
    lastCheckedAt: null,
    hostname: "build-07",
    os: "linux/amd64",
    pid: 48_100,
    startedAt: iso(5_100_000),
    build: "a1b2c3",
    home: "/home/ops/.pipedai",
    state: scene === "empty" ? "needs_login" : scene === "crowd" ? "degraded" : "running",
    controlPlanes:
      scene === "empty"
        ? []
        : [{ apiUrl: "http://127.0.0.1:3000", reachable: true, lastOkAt: iso(4_000), workspaceId: "default" }],
    health:
      scene === "crowd"
        ? [
            {
              code: "worker_crashed",
              severity: "error",
              message: "mailer cannot be started: its program was not found.",
              fix: "Install it, then start the worker again.",
              command: "pipedai-orchestrator status",
            },
            { code: "worker_stale", severity: "warning", message: "image-resizer runs 0.1.0; 0.2.0 is out." },
          ]
        : [],
  };
  const logs = new Map(workers.map((w) => [w.id, []]));
  const refuse = new Set(); // workers whose control plane says no
  const readers = new Set();
  let seq = 100;
  const broadcast = (frame) => {
    const text = JSON.stringify({ seq: ++seq, ...frame });
    for (const send of readers) send(text);
  };
  const status = () => broadcast({ kind: "status", items: workers });
  const log = (id, stream, line, age = 0) => {
    const before = logs.get(id)?.at(-1);
    const entry = { ts: Date.now() - age, stream, line, pos: before ? before.pos + before.line.length + 40 : 0 };
    logs.get(id)?.push(entry);
    if (age === 0) broadcast({ kind: "log", id, ...entry });
  };
  for (const w of workers) {
    for (let n = 60; n > 0; n--) {
      log(
        w.id,
        n % 17 === 0 ? "err" : "out",
        n % 17 === 0
          ? "warning: page 3 has no text layer, falling back to recognition"
          : `claimed run prun_0192f3c4d${100 - n}, task ${["download", "extract-text", "summarize"][n % 3]}, took ${n * 7} ms`,
        n * 1_500,
      );
    }
  }
  let beats = 0;
  const clock = setInterval(() => {
    for (const w of workers)
      if (w.local.state === "running") log(w.id, "out", `heartbeat ${++beats}: waiting for work`);
  }, 1_000);

  const server = createServer(async (req, res) => {
    const url = new URL(req.url, "http://fake");
    if (!url.pathname.startsWith("/api/"))
      return url.pathname === "/" || url.pathname.startsWith("/assets/")
        ? serveStatic(req, res, "dashboard.html")
        : sendJSON(res, 404, { error: "Not found" });
    if (req.headers.authorization !== `Bearer ${token}`)
      return sendJSON(res, 401, { error: "Unauthorized", code: "unauthorized", requestId: "req_fake" });
    const [, , , id, verb] = url.pathname.split("/");
    if (url.pathname === "/api/self") return sendJSON(res, 200, self);
    if (url.pathname === "/api/workers") return sendJSON(res, 200, { items: workers });
    const w = workers.find((x) => x.id === id);
    if (!w) return sendJSON(res, 404, { error: "Worker not found", code: "not_found", requestId: "req_fake" });
    if (verb === "logs") {
      const fitting = logs.get(w.id).filter(fits(url.searchParams));
      if (url.pathname.endsWith("/download"))
        return res.end(fitting.map((l) => `${new Date(l.ts).toISOString()} ${l.stream} ${l.line}\n`).join(""));
      return sendJSON(res, 200, logPage(fitting, url.searchParams));
    }
    if (req.method === "DELETE" && !verb) {
      workers.splice(workers.indexOf(w), 1);
      status();
      return sendJSON(res, 200, { id: w.id, action: "delete", ok: true });
    }
    if (req.method === "POST" && (verb === "enable" || verb === "disable")) {
      await readJSON(req);
      if (refuse.has(w.id))
        return sendJSON(res, 502, {
          error: `${w.label} could not be ${verb}d; nothing was changed`,
          code: "upstream_failed",
          requestId: "req_fake",
        });
      w.enabled = verb === "enable";
      w.desiredState = w.enabled ? "enabled" : "disabled";
      w.remote = w.remote && {
        ...w.remote,
        disabled: !w.enabled,
        derivedStatus: w.enabled ? w.remote.status : "disabled",
      };
      status();
      return sendJSON(res, 200, { id: w.id, action: verb, ok: true });
    }
    if (req.method === "POST" && (verb === "start" || verb === "stop")) {
      await readJSON(req);
      const starting = verb === "start";
      w.running = starting;
      if (starting) w.local = { ...w.local, state: "starting" };
      else w.local = { ...w.local, draining: true };
      status();
      await new Promise((done) => setTimeout(done, 400));
      const now = Date.now();
      w.local = starting
        ? {
            ...w.local,
            state: "running",
            pid: 50_000 + (seq % 1_000),
            startedAt: now,
            draining: false,
            reattached: false,
            nextStartAt: null,
          }
        : {
            ...w.local,
            state: "stopped",
            pid: null,
            startedAt: null,
            draining: false,
            lastExit: { code: 0, signal: null, at: now },
          };
      w.remote = {
        ...(w.remote ?? { version: null, disabled: false, currentRunId: null }),
        status: starting ? "online" : "offline",
        derivedStatus: starting ? "online" : "offline",
        lastSeenAt: iso(0),
      };
      w.lastEvent = { type: starting ? "worker.started" : "worker.stopped", at: iso(0) };
      log(w.id, "out", starting ? "worker started" : "worker drained and stopped");
      status();
      return sendJSON(res, 200, { id: w.id, action: verb, ok: true });
    }
    sendJSON(res, 404, { error: "Not found" });
  });
  server.on("upgrade", (req, socket) => {
    const url = new URL(req.url, "http://fake");
    if (url.pathname !== "/api/events" || url.searchParams.get("token") !== token)
      return socket.end("HTTP/1.1 401 Unauthorized\r\n\r\n");
    const send = accept(req, socket);
    send(JSON.stringify({ kind: "status", seq, items: workers }));
    readers.add(send);
    socket.on("close", () => readers.delete(send));
  });
  const running = await listen(server, port);
  const base = `http://127.0.0.1:${running.port}`;
  return {
    base,
    port: running.port,
    url: `${base}/?token=${token}`,
    self,
    workers,
    refuse,
    status,
    log,
    stop: () => {
      clearInterval(clock);
      return running.stop();
    },
  };
}

/** Which lines a question about a log means. */
function fits(query) {
  const find = query.get("grep");
  const stream = query.get("stream");
  return (l) => (!find || l.line.includes(find)) && (!stream || l.stream === stream);
}

/** The page of it that was asked for. */
function logPage(lines, query) {
  const limit = Number(query.get("limit") ?? 500);
  const after = query.get("after");
  const before = query.get("before");
  const candidates =
    after !== null
      ? lines.filter((l) => l.pos > Number(after))
      : lines.filter((l) => !before || l.pos < Number(before));
  const items = after !== null ? candidates.slice(0, limit) : candidates.slice(-limit);
  return {
    items,
    more: candidates.length > items.length,
    older: items[0]?.pos ?? 0,
    newer: items.at(-1)?.pos ?? 0,
    gap: false,
    partial: false,
    ...(query.get("count") === "1" ? { count: lines.length } : {}),
  };
}
