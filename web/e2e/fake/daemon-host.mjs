// What the fake daemon answers about the host itself.
import { iso, operation, worker } from "./host.mjs";
import { readJSON, sendJSON } from "./static.mjs";

/** Answers, if the path is one of the host's. */
export async function answerHost(host, req, res, url) {
  const route = routes[`${req.method} ${url.pathname}`];
  if (route) {
    const [status, body] = await route(host, req.method === "GET" ? {} : await readJSON(req), url);
    sendJSON(res, status, body);
    return true;
  }
  const cancel = /^\/api\/operations\/([^/]+)\/cancel$/.exec(url.pathname);
  if (!cancel || req.method !== "POST") return false;
  const op = host.operations.find((o) => o.id === cancel[1]);
  if (!op) return false;
  host.tell(op, { cancelAsked: true, undoing: true });
  sendJSON(res, 200, op);
  return true;
}

const problem = (status, code, error, fix) => [status, { error, code, fix, requestId: "req_fake" }];

const routes = {
  "GET /api/self": (host) => [200, host.self],
  "GET /api/workers": (host) => [200, { items: host.workers }],
  "GET /api/operations": (host) => [200, { items: host.operations }],
  "GET /api/connectivity": (host) => [200, { current: host.samples.at(-1), history: host.samples }],
  "GET /api/events": (host, _, url) => {
    const about = url.searchParams.get("worker");
    return [200, { items: host.events.filter((e) => !about || e.workerId === about), next: host.events.length }];
  },
  "GET /api/adoptable": (host) => [200, { items: host.adoptable }],
  "POST /api/adopt": (host, body) => {
    const items = host.adoptable.filter((i) => body.paths.includes(i.path));
    for (const item of items) {
      const status = body.takeOver ? "taken-over" : "adopted";
      Object.assign(item, { status: "managed", adopted: true, reason: undefined, fix: undefined, processes: [] });
      item.outcome = status;
      host.workers.push(worker(item.workerId, item.label, { state: "running", pid: 60_001, startedAt: Date.now() }));
    }
    host.status();
    return [200, { items: items.map((i) => ({ ...i, status: i.outcome })) }];
  },
  "POST /api/adopt/undo": (host, body) => {
    const item = host.adoptable.find((i) => i.workerId === body.workerId);
    if (!item) return problem(404, "not_found", "no such worker was adopted");
    Object.assign(item, { status: "adoptable", adopted: false });
    host.workers.splice(
      host.workers.findIndex((w) => w.id === body.workerId),
      1,
    );
    host.status();
    return [200, { items: [{ ...item, status: "undone" }] }];
  },
  "POST /api/workers": (host, body) => {
    if (body.label === "taken") return problem(409, "conflict", "the label is taken", "choose another");
    const id = `wrk_new${host.workers.length}`;
    host.workers.push(worker(id, body.label || "build-07", { state: "running", pid: 60_002, startedAt: Date.now() }));
    host.log(id, "out", "worker started");
    host.status();
    return [201, { id }];
  },
  "POST /api/workers/upgrade": (host, body) => {
    const items = body.workers.map((id, i) => ({
      workerId: id,
      label: host.workers.find((w) => w.id === id)?.label ?? id,
      status: i === 0 ? "running" : "waiting",
      canary: i === 0,
    }));
    if (body.dryRun) {
      const about = { to: "0.2.0", source: "http://127.0.0.1:3000", signedBy: "prk_AhR3", channel: "stable", items };
      return [200, { action: "upgrade", ok: true, target: "", durationMs: 1, oldVersion: null, upgrade: about }];
    }
    const op = operation("op_all", "upgrade-all", ["upgrade"], { upgrade: { to: "0.2.0", items } });
    host.operations.unshift(op);
    host.tell(op, {});
    return [202, { action: "upgrade", ok: true, target: "", durationMs: 1, oldVersion: null, operation: op }];
  },
  "POST /api/upgrade-self": (host, body) => {
    if (body.dryRun) {
      if (host.self.cannot) return problem(409, "conflict", host.self.cannot, "name another version");
      const about = {
        from: host.self.version,
        to: body.version,
        signedBy: "prk_AhR3",
        channel: "stable",
        size: 42_000_000,
      };
      return [200, { action: "upgrade-self", ok: true, durationMs: 1, upgrade: about }];
    }
    const steps = ["check", "fetch", "rehearse", "switch", "verify"];
    const op = operation("op_self", "upgrade-self", steps, { upgrade: { from: host.self.version, to: body.version } });
    host.operations.unshift(op);
    host.self.upgrade = op;
    host.tell(op, {});
    return [202, { action: "upgrade-self", ok: true, durationMs: 1, operation: op }];
  },
  "POST /api/connectivity/check": () => [
    200,
    {
      ok: false,
      checks: [
        { target: "http://127.0.0.1:3000", check: "dns", ok: true, message: "an address, not a name", latencyMs: 1 },
        {
          target: "http://127.0.0.1:3000",
          check: "tcp",
          ok: false,
          message: "connection refused",
          fix: "start the control plane",
          command: "pipeweave serve",
        },
        { target: "http://127.0.0.1:3000", check: "auth", ok: false, skipped: true, message: "needs tcp" },
      ],
    },
  ],
  "GET /api/usage": (host) => [
    200,
    {
      everyMs: 30_000,
      items: host.workers.map((w) => ({
        workerId: w.id,
        samples: Array.from({ length: 40 }, (_, i) => ({
          ts: Date.now() - (40 - i) * 30_000,
          pid: w.local?.pid ?? 1,
          memoryBytes: 40e6 + 8e6 * Math.sin(i / 4),
          cpuSeconds: i * 3,
        })),
      })),
    },
  ],
  "GET /api/config": () => [
    200,
    {
      file: "/home/ops/.pipedai/orchestrator/config.yaml",
      items: [
        {
          key: "port",
          value: "4599",
          origin: "default",
          usage: "port of the dashboard and local API",
          flag: "port",
          env: ["PIPEDAI_PORT"],
        },
        {
          key: "stopGrace",
          value: "30m",
          origin: "file",
          usage: "how long a stopped worker may finish its run",
          flag: "stop-grace",
        },
      ],
    },
  ],
};

/** Ends an operation well or badly. */
export const end = (host, op, status, more = {}) =>
  host.tell(op, { status, endedAt: iso(), progress: 100, cancellable: false, ...more });
