// What the fake daemon knows of its host: workers in every state, and the records of what happened.
export const iso = (ageMs = 0) => new Date(Date.now() - ageMs).toISOString();

export function worker(id, label, local, more = {}) {
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
      logBytes: 4_200,
      logDropped: 0,
      memoryBytes: local.state === "running" ? 92_000_000 : null,
      cpuSeconds: local.state === "running" ? 12.5 : null,
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
    remoteStale: false,
    pin: "",
    previousPin: null,
    upgrade: null,
    ...more,
  };
}

export function crowd() {
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
        previousPin: "0.0.9",
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

const GiB = 2 ** 30;

/** The answer of GET /api/self in a scene. */
export function selfOf(scene) {
  const empty = scene === "empty" || scene === "pending";
  const plane = { apiUrl: "http://127.0.0.1:3000", reachable: true, lastOkAt: iso(4_000), workspaceId: "default" };
  return {
    version: "0.1.0",
    latest: scene === "crowd" ? "0.2.0" : null,
    stale: scene === "crowd",
    lastCheckedAt: scene === "crowd" ? iso(600_000) : null,
    hostname: "build-07",
    os: "linux",
    pid: 48_100,
    startedAt: iso(5_100_000),
    build: "a1b2c3",
    home: "/home/ops/.pipedai",
    state: empty ? "needs_login" : scene === "revoked" ? "revoked" : scene === "crowd" ? "degraded" : "running",
    channel: "stable",
    host: {
      cpus: 8,
      load1: 1.4,
      memoryBytes: 32 * GiB,
      memoryFreeBytes: 11 * GiB,
      diskBytes: 500 * GiB,
      diskFreeBytes: 61 * GiB,
    },
    installed: { program: "/usr/local/bin/pipedai-orchestrator", version: "0.1.0" },
    failed: scene === "crowd" ? [{ version: "0.1.9", reason: "it ended with exit status 1", at: iso(9e7) }] : [],
    ...(scene === "pending"
      ? {
          pairing: {
            qr: Array.from({ length: 25 }, (_, y) =>
              Array.from({ length: 25 }, (_, x) => ((x * y + x + y) % 3 === 0 ? "#" : " ")).join(""),
            ),
            apiUrl: "https://api.example.com",
            userCode: "WDJB-MJHT",
            verificationUri: "https://api.example.com/activate",
            expiresAt: iso(-540_000),
          },
        }
      : {}),
    controlPlanes: empty
      ? []
      : scene === "revoked"
        ? [{ ...plane, reachable: false, revokedAt: iso(90_000), error: "it revoked this host" }]
        : [{ ...plane, checkedInAt: iso(12_000), clockSkewMs: scene === "crowd" ? 41_000 : 120 }],
    health: healthOf(scene),
  };
}

function healthOf(scene) {
  if (scene === "empty")
    return [
      {
        code: "not_connected",
        severity: "warning",
        message: "this host is not connected to a control plane",
        fix: "connect it",
        command: "pipedai-orchestrator connect --api-url <url>",
      },
    ];
  if (scene === "revoked")
    return [
      {
        code: "host_revoked",
        severity: "error",
        message: "http://127.0.0.1:3000 does not trust this host any more",
        fix: "if its operators agree, connect again",
        command: "pipedai-orchestrator connect --api-url http://127.0.0.1:3000",
      },
    ];
  if (scene !== "crowd") return [];
  return [
    {
      code: "worker_crashed",
      severity: "error",
      message: "mailer cannot be started: its program was not found.",
      fix: "Install it, then start the worker again.",
      command: "pipedai-orchestrator status",
    },
    { code: "worker_stale", severity: "warning", message: "image-resizer runs 0.1.0; 0.2.0 is out." },
  ];
}

export const settingsOf = () => ({
  dir: "/home/ops/work",
  env: [
    { name: "MODEL", secret: false },
    { name: "API_TOKEN", secret: true },
  ],
  authMode: "claude-max",
  stopGraceMs: 300_000,
  restart: { backoffMs: [1_000, 5_000, 30_000], stableMs: 60_000, budget: 10, finalCodes: [78] },
  limits: { memoryBytes: 2 * GiB, cpu: 1.5, pids: 0, nofile: 0 },
});

export const exitsOf = () => [
  {
    generation: 3,
    how: "exited",
    code: 1,
    signal: null,
    startedAt: Date.now() - 900_000,
    endedAt: Date.now() - 600_000,
  },
  {
    generation: 2,
    how: "killed",
    code: null,
    signal: "SIGKILL",
    detail: "the kernel ended it for lack of memory",
    startedAt: Date.now() - 9_000_000,
    endedAt: Date.now() - 7_000_000,
  },
];

/** Two and a half hours of looks at the network, with an outage of ten minutes and one of the control plane alone. */
export function samplesOf() {
  const now = Date.now();
  return Array.from({ length: 450 }, (_, i) => {
    const verdict = i > 200 && i < 230 ? "offline" : i > 350 && i < 360 ? "api-unreachable" : "online";
    return sample(verdict, now - (450 - i) * 20_000);
  });
}

export function sample(verdict, ts = Date.now()) {
  const ok = verdict === "online";
  const there = verdict !== "offline";
  return {
    ts,
    verdict,
    api: [
      {
        url: "http://127.0.0.1:3000",
        ok,
        latencyMs: ok ? 12 : null,
        status: ok ? 200 : null,
        ...(ok ? {} : { error: "connection refused" }),
      },
    ],
    internet: { ok: there, latencyMs: there ? 31 : null, status: there ? 204 : null },
  };
}

export function eventsOf(workers) {
  const of = (type, data = {}, workerId) => ({ type, data, ...(workerId ? { workerId } : {}) });
  const list = [
    of("daemon.started", { version: "0.1.0", pid: 48_100 }),
    ...workers.slice(0, 2).map((w) => of("worker.started", { pid: 48_213 }, w.id)),
    of("link.lost", { apiUrl: "http://127.0.0.1:3000", error: "connection refused" }),
    of("link.recovered", { apiUrl: "http://127.0.0.1:3000" }),
    ...workers.slice(0, 3).map((w) => of("worker.exited", { code: 1, reason: "exit 1" }, w.id)),
    of("connectivity.changed", { from: "offline", to: "online" }),
  ];
  return list.map((e, i) => ({ seq: i + 1, at: iso((list.length - i) * 61_000), ...e }));
}

export function operation(id, kind, steps, more = {}) {
  return {
    id,
    kind,
    askedBy: "dashboard",
    status: "running",
    step: steps[0],
    steps,
    undoing: false,
    progress: 0,
    startedAt: iso(),
    updatedAt: iso(),
    endedAt: null,
    cancellable: true,
    ...more,
  };
}

export const upgradeSteps = ["check", "fetch", "drain", "switch", "verify"];

export const operationsOf = (scene) =>
  scene === "crowd"
    ? [
        operation("op_old1", "upgrade", upgradeSteps, {
          workerId: "wrk_01hzq4k8ocr",
          status: "failed",
          step: "verify",
          progress: 100,
          startedAt: iso(7_300_000),
          endedAt: iso(7_200_000),
          cancellable: false,
          error: "version 0.2.0 was taken back: it ended with exit status 2",
          fix: "pipedai-orchestrator logs wrk_01hzq4k8ocr",
          upgrade: {
            from: "0.1.0",
            to: "0.2.0",
            source: "http://127.0.0.1:3000",
            signedBy: "prk_AhR3",
            channel: "stable",
            failure: "crashed",
            lastLines: ["starting", "panic: no model"],
          },
        }),
        operation("op_old2", "upgrade", upgradeSteps, {
          workerId: "wrk_01hzq4k8img",
          status: "succeeded",
          progress: 100,
          startedAt: iso(97_300_000),
          endedAt: iso(97_200_000),
          cancellable: false,
          upgrade: {
            from: "0.0.9",
            to: "0.1.0",
            source: "http://127.0.0.1:3000",
            signedBy: "prk_AhR3",
            notes: "Faster.",
          },
        }),
      ]
    : [];

export const adoptableOf = (scene) =>
  scene === "crowd"
    ? [
        {
          path: "/home/ops/.pipedai/worker.json",
          label: "default",
          workerId: "wrk_hand1",
          apiUrl: "http://127.0.0.1:3000",
          workspaceId: "default",
          mode: "workspace",
          status: "adoptable",
        },
        {
          path: "/home/ops/.pipedai/worker.box.json",
          label: "box",
          workerId: "wrk_hand2",
          apiUrl: "http://127.0.0.1:3000",
          mode: "workspace",
          status: "running",
          reason: "process 4711 of the unit pipedai-worker-box.service runs it",
          fix: "let this host take it over: pipedai-orchestrator adopt --take-over",
          processes: [
            { pid: 4_711, unit: "pipedai-worker-box.service", command: "pipedai-worker run --config worker.box.json" },
          ],
          units: [{ manager: "systemd-user", name: "pipedai-worker-box.service", active: true, enabled: true }],
        },
        {
          path: "/home/ops/.pipedai/worker.old.json",
          label: "old",
          status: "unusable",
          reason: "it is no JSON object",
        },
      ]
    : [];

export const runsOf = () => [
  { runId: "trun_0192f3c4d5e6", updatedAt: Date.now() - 4_000, bytes: 20_480 },
  { runId: "trun_0192f3c4a000", updatedAt: Date.now() - 4_000_000, bytes: 1_100 },
];

export const runEventsOf = () =>
  [
    ["system", { text: "session begins" }],
    ["assistant", { content: [{ type: "text", text: "I read the document first." }] }],
    ["assistant", { content: [{ type: "tool_use", name: "Read", input: { path: "in/report.pdf", pages: "1-3" } }] }],
    ["user", { content: [{ type: "tool_result", content: "3 pages, 1,204 words" }] }],
    ["stderr", { text: "warning: page 3 has no text layer" }],
    ["result", { result: "The report is summed up." }],
  ].map(([type, payload], i) => ({ seq: i + 1, type, ts: iso((9 - i) * 1_000), payload }));
