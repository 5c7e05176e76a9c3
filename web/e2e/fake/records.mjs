// What the fake control plane knows besides runs.
export const iso = (ageMs = 0) => new Date(Date.now() - ageMs).toISOString();
export const structure = {
  download: { allowedNext: ["extract-text", "extract-tables"] },
  "extract-text": { allowedNext: ["summarize"] },
  "extract-tables": { allowedNext: ["summarize"] },
  summarize: { allowedNext: [] },
};

export function records(empty, runInFlight) {
  const session = {
    name: "bootstrap admin",
    kind: "pwk",
    role: "admin",
    workspaceId: "default",
    address: "198.51.100.7",
    version: "0.1.0",
    build: "a1b2c3",
  };
  const enrollments = empty
    ? []
    : [
        {
          id: "enr_1",
          kind: "device",
          userCode: "WDJB-MJHT",
          status: "pending",
          label: "build-09",
          hostname: "build-09.example.org",
          os: "linux/amd64, Debian 12",
          address: "203.0.113.5",
          userAgent: "pipedai-orchestrator/0.1.0 (Debian GNU/Linux 12 (bookworm); amd64)",
          version: "0.1.0",
          osVersion: "Debian GNU/Linux 12 (bookworm)",
          arch: "amd64",
          createdAt: iso(41_000),
          expiresAt: iso(-859_000),
          decidedAt: null,
          workspaceId: "default",
        },
        {
          id: "enr_2",
          kind: "device",
          userCode: "BCDF-GHJK",
          status: "denied",
          hostname: "old",
          createdAt: iso(7_200_000),
          expiresAt: iso(6_300_000),
          decidedAt: iso(7_100_000),
          decidedBy: "ada",
          workspaceId: "default",
        },
        {
          id: "enr_3",
          kind: "device",
          userCode: "QRST-VWXZ",
          status: "expired",
          hostname: "slow",
          createdAt: iso(7_200_000),
          expiresAt: iso(6_300_000),
          decidedAt: null,
          workspaceId: "default",
        },
      ];
  const workers = empty
    ? []
    : [
        {
          id: "wrk_01hzq4k8pdf",
          status: "online",
          derivedStatus: "busy",
          currentRunId: runInFlight,
          version: "0.1.0",
          lastSeenAt: iso(2_000),
          disabled: false,
          hostname: "build-07.example.org",
          label: "build-07",
          os: "linux/amd64",
          registeredAt: iso(9e7),
        },
        {
          id: "wrk_01hzq4k8ocr",
          status: "offline",
          derivedStatus: "offline",
          currentRunId: null,
          version: "0.1.0",
          lastSeenAt: iso(4_800_000),
          disabled: false,
          hostname: "mac-mini-2",
          label: "mac-mini-2",
          os: "darwin/arm64",
          registeredAt: iso(9e7),
        },
        {
          id: "wrk_01hzq4k8old",
          status: "online",
          derivedStatus: "disabled",
          currentRunId: null,
          version: "0.0.9",
          lastSeenAt: iso(3_000),
          disabled: true,
          hostname: "rack-1",
          label: "rack-1",
          os: "linux/arm64",
          registeredAt: iso(9e7),
        },
      ];
  const service = serviceOf("pdf-processor", {
    version: "1.0.0",
    taskCount: 4,
    health: "degraded",
    healthReason: "A worker is not heard of",
    instances: workers.map((w, n) => instanceOf(w, ["1.0.0", "1.0.0", "0.9.0"][n], n === 0 ? runInFlight : "")),
  });
  const tasks = Object.entries(structure).map(([id, node]) =>
    taskOf(id, "pdf-processor", node, {
      concurrency: id === "summarize" ? 2 : 0,
      description: {
        download: "Fetches the document and says how many pages it has.",
        summarize: "Counts words and tables and writes the summary.",
      }[id],
    }),
  );
  const pipeline = pipelineOf("pdf-processor", structure, {
    description: "Reads a PDF and sums up its text and tables.",
    entry_tasks: ["download"],
  });
  return {
    session,
    enrollments,
    workers,
    services: empty ? [] : [service],
    tasks,
    pipelines: empty ? [] : [pipeline],
  };
}

/** A worker as the service tells of it that it serves. */
export const instanceOf = (w, version, run = "") => ({
  name: w.label,
  workerId: w.id,
  host: w.host ?? w.label,
  workspaceId: "default",
  version,
  status: w.derivedStatus,
  lastSeenAt: w.lastSeenAt,
  since: iso(9e6),
  ...(w.derivedStatus === "busy" ? { currentTaskId: "extract-text", currentRunId: run } : {}),
});

export const serviceOf = (id, more) => ({
  health: "serving",
  instances: [],
  elsewhere: 0,
  id,
  baseUrl: "",
  status: "active",
  registeredAt: iso(9e7),
  lastHeartbeat: iso(2_000),
  metadata: {},
  ...more,
});

export const taskOf = (id, serviceId, node, more) => ({
  id,
  serviceId,
  codeHash: "9f86d081884c7d659a2feaa0c55ad015",
  codeVersion: 3,
  allowedNext: node.allowedNext,
  timeout: 300,
  retries: 3,
  retryBackoff: "exponential",
  retryDelayMs: 1_000,
  maxRetryDelayMs: 86_400_000,
  heartbeatIntervalMs: 30_000,
  concurrency: 0,
  priority: 100,
  registeredAt: iso(9e7),
  updatedAt: iso(9e7),
  ...more,
});

export const pipelineOf = (id, graph, more) => ({
  id,
  name: id,
  structure: graph,
  version: "1.0.0",
  failure_mode: "fail-fast",
  created_at: iso(9e7),
  updated_at: iso(9e7),
  metadata: {},
  ...more,
});
