// The scene of the pictures: a company of middle size on an ordinary day. The same seed gives the same day every time.
import { instanceOf, iso, pipelineOf, serviceOf, taskOf } from "./records.mjs";

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

const graph = (edges) =>
  Object.fromEntries(
    Object.entries(edges).map(([id, next]) => [id, { allowedNext: next === "" ? [] : next.split(" ") }]),
  );

/** What the company runs: the tasks, how often, how long, and how often it goes wrong. */
const work = {
  "pdf-processor": {
    about: "Reads a PDF and sums up its text and tables.",
    version: "2.3.1",
    perDay: 40,
    seconds: 9,
    breaks: 0.02,
    graph: graph({
      download: "extract-text extract-tables render-pages",
      "extract-text": "detect-language summarize",
      "extract-tables": "summarize",
      "render-pages": "thumbnails",
      "detect-language": "summarize",
      thumbnails: "publish",
      summarize: "publish",
      publish: "",
    }),
  },
  "invoice-import": {
    about: "Takes invoices from the mailbox to the ledger.",
    version: "4.0.2",
    perDay: 24,
    seconds: 21,
    breaks: 0.03,
    graph: graph({
      "fetch-mail": "split-documents",
      "split-documents": "read-lines read-totals",
      "read-lines": "match-orders",
      "read-totals": "match-orders check-tax",
      "check-tax": "post-ledger",
      "match-orders": "post-ledger",
      "post-ledger": "",
    }),
  },
  "customer-sync": {
    about: "Brings changes of customers from the CRM to the warehouse.",
    version: "1.8.0",
    perDay: 48,
    seconds: 4,
    breaks: 0.05,
    graph: graph({ "pull-changes": "compare", compare: "apply-changes", "apply-changes": "verify", verify: "" }),
  },
  "nightly-report": {
    about: "Sales, costs and stock of the day, as one page.",
    version: "1.2.0",
    perDay: 2,
    seconds: 130,
    breaks: 0,
    graph: graph({
      "collect-sales": "merge",
      "collect-costs": "merge",
      "collect-stock": "merge",
      merge: "render-report",
      "render-report": "send-report",
      "send-report": "",
    }),
  },
  "image-thumbnails": {
    about: "Small pictures of what the shop shows.",
    version: "3.1.0",
    perDay: 60,
    seconds: 2,
    breaks: 0.005,
    graph: graph({
      probe: "small medium large",
      small: "manifest",
      medium: "manifest",
      large: "manifest",
      manifest: "",
    }),
  },
  "video-transcode": {
    about: "Product videos in three sizes.",
    version: "0.9.4",
    perDay: 9,
    seconds: 240,
    breaks: 0.08,
    graph: graph({
      "probe-video": "video-480 video-720 video-1080",
      "video-480": "package",
      "video-720": "package",
      "video-1080": "package",
      package: "",
    }),
  },
};
const mistakes = {
  "pdf-processor": ["extract-tables", "pdf: object 12 0 is not a stream"],
  "invoice-import": ["match-orders", "order 40-2291 is not known to the ledger"],
  "customer-sync": ["apply-changes", "crm answered 422: field vat_id of customer C-10418 is not valid"],
  "video-transcode": ["video-1080", "ffmpeg ended with 137: out of memory"],
  "image-thumbnails": ["probe", "unsupported colour space: CMYK"],
};

/** Numbers between 0 and 1 that are the same each time. */
function dice(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function showRecords(runInFlight) {
  const session = {
    name: "Ada Lindqvist",
    kind: "pwk",
    role: "admin",
    workspaceId: "default",
    address: "198.51.100.7",
    version: "1.5.0",
    build: "a1b2c3",
  };
  const asks = (id, userCode, hostname, age, more = {}) => ({
    id,
    kind: "device",
    userCode,
    status: "pending",
    label: hostname,
    hostname: `${hostname}.example.org`,
    os: "linux/amd64, Debian 13",
    address: "198.51.100.7",
    userAgent: "pipedai-orchestrator/1.5.0",
    createdAt: iso(age),
    expiresAt: iso(age - 15 * minute),
    decidedAt: null,
    workspaceId: "default",
    ...more,
  });
  const enrollments = [asks("enr_1", "WDJB-MJHT", "build-05", 41 * second)];
  const workers = [
    "build-01",
    "build-01",
    "build-02",
    "build-02",
    "build-03",
    "gpu-01",
    "gpu-01",
    "gpu-02",
    "mac-02",
  ].map((host, n) => {
    const away = host === "gpu-02";
    const busy = [0, 2, 5].includes(n);
    return {
      id: `wrk_01hzq4k8${["pdf", "img", "inv", "crm", "rep", "vid", "vi2", "vi3", "mac"][n]}`,
      status: away ? "offline" : "online",
      derivedStatus: away ? "offline" : host === "build-03" ? "disabled" : busy ? "busy" : "online",
      currentRunId: busy ? runInFlight : null,
      version: ["build-01", "build-02", "gpu-01"].includes(host) ? "1.5.0" : "1.4.2",
      lastSeenAt: iso(away ? 2 * hour : 2 * second),
      disabled: host === "build-03",
      hostname: `${host}.example.org`,
      label: host,
      host,
      os: host === "mac-02" ? "darwin/arm64" : "linux/amd64",
      registeredAt: iso(30 * day),
    };
  });
  const away = "video-transcode";
  const services = Object.entries(work).map(([id, w], n) =>
    serviceOf(id, {
      version: w.version,
      taskCount: Object.keys(w.graph).length,
      ...(id === away
        ? {
            status: "inactive",
            lastHeartbeat: iso(7 * minute),
            health: "unserved",
            healthReason: "Its worker is not heard of",
            instances: [instanceOf(workers[7], w.version)],
          }
        : {
            lastHeartbeat: iso((n + 1) * second),
            instances: [
              instanceOf(workers[[0, 2, 1, 8, 6, 7][n] ?? 0], w.version, runInFlight),
              // The rollout that is under way has not come to this host.
              ...(n === 0 ? [instanceOf(workers[3], "2.3.0"), instanceOf(workers[8], w.version)] : []),
            ],
          }),
    }),
  );
  const tasks = Object.entries(work).flatMap(([id, w]) =>
    Object.entries(w.graph).map(([task, node]) =>
      taskOf(task, id, node, { concurrency: task === "post-ledger" ? 2 : 0 }),
    ),
  );
  const pipelines = Object.entries(work).map(([id, w]) =>
    pipelineOf(id, w.graph, { description: w.about, version: w.version, entry_tasks: entriesOf(w.graph) }),
  );
  return { session, enrollments, workers, services, tasks, pipelines };
}

const entriesOf = (g) => {
  const later = new Set(Object.values(g).flatMap((n) => n.allowedNext));
  return Object.keys(g).filter((id) => !later.has(id));
};
const orderOf = (g) => {
  const done = [];
  const open = Object.keys(g);
  const before = (id) => Object.keys(g).filter((other) => g[other].allowedNext.includes(id));
  while (open.length > 0) {
    const at = open.findIndex((id) => before(id).every((b) => done.includes(b)));
    done.push(...open.splice(at, 1));
  }
  return done.map((id) => [id, before(id)]);
};

/** A week of runs, newest first, and some that are looked at closely. */
export function seedShow({ newRun, taskRow, output, objects, runs }) {
  const random = dice(7);
  /** Takes a run through its graph; what is broken fails there, what is open has come only so far. */
  const play = (id, age, { broken = false, open = false, attempts = 1, by } = {}) => {
    const w = work[id];
    const run = newRun({ source: `${id}/${Math.round(age / 1_000)}` }, age);
    Object.assign(run, {
      pipelineId: id,
      pipelineVersion: w.version,
      structureSnapshot: w.graph,
      entryTasks: entriesOf(w.graph),
      triggeredBy: by ?? (id === "nightly-report" ? "schedule" : "ci"),
    });
    const steps = orderOf(w.graph);
    const share = (w.seconds * second) / Math.max(1, steps.length - 1);
    const ends = new Map();
    let last = 0;
    for (const [task, before] of steps) {
      if (before.some((b) => !ends.has(b))) continue;
      const begin = Math.max(30, ...before.map((b) => ends.get(b) + 40));
      const took = share * (0.5 + random());
      if (open && age - begin - took < 0) {
        if (age - begin > 0) run.tasks.push(taskRow(run, task, "running", age - begin, null));
        continue;
      }
      if (broken && task === mistakes[id][0]) {
        const error = mistakes[id][1];
        const gap = Math.max(took, 900);
        const tries = Array.from({ length: attempts - 1 }, (_, n) => ({
          attempt: n + 1,
          error,
          startedAt: iso(age - begin - n * 2 * gap),
          timestamp: iso(age - begin - n * 2 * gap - gap * 0.6),
          retryAt: iso(age - begin - (n + 1) * 2 * gap),
        }));
        const start = begin + (attempts - 1) * 2 * gap;
        run.tasks.push(
          taskRow(run, task, "failed", age - start, gap * 0.6, {
            createdAt: iso(age - begin + 20),
            attempt: attempts,
            error,
            previousAttempts: tries,
          }),
        );
        last = Math.max(last, start + gap * 0.6);
        continue;
      }
      run.tasks.push(taskRow(run, task, "completed", age - begin, took, output(run, task, { task, ok: true })));
      ends.set(task, begin + took);
      last = Math.max(last, begin + took);
    }
    if (!open)
      Object.assign(run, {
        status: broken ? "failed" : "completed",
        completedAt: iso(age - last),
        ...(broken ? { error: `${mistakes[id][0]}: ${mistakes[id][1]}` } : { outputPath: run.tasks.at(-1).outputPath }),
      });
    return run;
  };

  const plan = [];
  for (const [id, w] of Object.entries(work)) {
    for (let n = 0; n < w.perDay * 7; n++) {
      const age = ((n + random()) / w.perDay) * day + 6 * minute;
      // People work by day; what is scheduled runs at night. It is twenty past ten whenever this is asked, so that the
      // scene does not hang on the clock.
      const clock = (((10.4 - age / hour) % 24) + 24) % 24;
      const quiet = clock < 6 || clock > 20;
      if (id !== "nightly-report" && quiet && random() < 0.75) continue;
      const spike = id === "customer-sync" && age < 5 * hour ? 0.45 : 0;
      plan.push([age, id, random() < w.breaks + spike && Boolean(mistakes[id]), random() < 0.01]);
    }
  }
  plan.sort((a, b) => b[0] - a[0]);
  for (const [age, id, broken, cancelled] of plan) {
    const run = play(id, age, { broken, attempts: broken ? 3 : 1 });
    if (cancelled && !broken) run.status = "cancelled";
  }
  const failed = play("customer-sync", 5 * minute, { broken: true, attempts: 4, by: "ci" });
  const short = play("pdf-processor", 3 * minute, { by: "Ada Lindqvist" });
  const twice = short.tasks.find((t) => t.taskId === "extract-tables");
  const first = Date.parse(twice.startedAt);
  const instant = (ms) => new Date(ms).toISOString();
  Object.assign(twice, {
    attempt: 2,
    previousAttempts: [
      {
        attempt: 1,
        error: "timeout",
        startedAt: twice.startedAt,
        timestamp: instant(first + 420),
        retryAt: instant(first + 1_100),
      },
    ],
    startedAt: instant(first + 1_250),
    completedAt: instant(Date.parse(twice.completedAt) + 700),
  });
  const broken = failed.tasks.find((t) => t.status === "failed");
  broken.logsPath = `runs/${failed.id}/logs/${broken.id}.4.jsonl`;
  objects.set(
    broken.logsPath,
    [
      "read 418 changes of customers since 09:41",
      "412 of them are new, 6 change what is there",
      "apply in batches of 50",
      "batch 1 of 9: 50 applied",
      "batch 2 of 9: 50 applied",
      "crm answered 422: field vat_id of customer C-10418 is not valid",
    ]
      .map((message, n, all) =>
        JSON.stringify({
          timestamp: iso(5 * minute - 8_000 - n * 240),
          level: n === all.length - 1 ? "error" : "info",
          message,
        }),
      )
      .join("\n"),
  );
  const live = play("invoice-import", 9 * second, { open: true, by: "mailbox" });
  for (const [n, task] of live.tasks.filter((t) => t.status === "running").entries())
    task.metadata = { progress: [62, 35, 10][n], progressMessage: ["page 4 of 6", "line 21 of 60", "starting"][n] };
  runs.sort((a, b) => b.createdAt.localeCompare(a.createdAt));
  return { failed, short, live, replayed: failed };
}

export function showLetters({ failed }) {
  const letter = (n, pipelineId, taskId, error, age) => ({
    id: `dlq_0192f${n.toString(16).padStart(8, "0")}`,
    taskRunId: `trun_dead${n}`,
    taskId,
    pipelineRunId: failed.id,
    pipelineId,
    codeVersion: 3,
    codeHash: "9f86d081884c7d65",
    error,
    attempts: 4,
    previousAttempts: [],
    inputPath: "",
    input: { customer: `C-${10_400 + n}`, fields: ["vat_id", "name"] },
    upstreamRefs: {},
    failedAt: iso(age),
    retriedAt: null,
  });
  const many = (n, from, make) => Array.from({ length: n }, (_, i) => make(from + i, i));
  return [
    ...many(14, 0, (n, i) =>
      letter(
        n,
        "customer-sync",
        "apply-changes",
        `crm answered 422: field vat_id of customer C-${10_400 + n} is not valid`,
        (6 + i * 19) * minute,
      ),
    ),
    ...many(5, 20, (n, i) =>
      letter(n, "video-transcode", "video-1080", "ffmpeg ended with 137: out of memory", (2 + i * 9) * hour),
    ),
    ...many(3, 30, (n, i) =>
      letter(
        n,
        "invoice-import",
        "match-orders",
        `order 40-${2_280 + n} is not known to the ledger`,
        (5 + i * 30) * hour,
      ),
    ),
    letter(40, "pdf-processor", "extract-tables", "pdf: object 12 0 is not a stream", 31 * hour),
  ].sort((a, b) => b.failedAt.localeCompare(a.failedAt));
}

/** How many of the tasks are in which state. */
export function showQueue(runs, dead) {
  const of = (status) => runs.reduce((sum, r) => sum + r.tasks.filter((t) => t.status === status).length, 0);
  return {
    pending: 3,
    running: of("running"),
    waiting: 0,
    completed: of("completed"),
    failed: of("failed"),
    dlq: dead.length,
    oldestPending: iso(19 * second),
  };
}
