// A control plane that holds everything in memory: the routes that the console uses, with a pipeline that really moves.
import { createServer } from "node:http";
import { faults } from "./faults.mjs";
import { fleet } from "./fleet.mjs";
import { disguise } from "./hostile.mjs";
import { deadLetters } from "./letters.mjs";
import { answerLog, ofTask } from "./log.mjs";
import { maintenance } from "./maintenance.mjs";
import { iso, records, structure } from "./records.mjs";
import { countRuns } from "./run-counts.mjs";
import { seedShow, showLetters, showQueue, showRecords } from "./show.mjs";
import { listen, readJSON, sendJSON, serveStatic } from "./static.mjs";
import { denseRun, history, inputErrors, inputSchema, letters, listFolder, replayedRun, wideRun } from "./work.mjs";

const token = "pwk_fake";
const errorText =
  "pdf: object 12 0 is not a stream\n  while reading the cross-reference table of page 3\n  at extract-tables (pdf-processor 1.0.0)";

export async function startControlPlane({ scene = "full", port = 0, stepMs = 500, role = "admin" } = {}) {
  const empty = scene === "empty";
  const wild = scene === "hostile" ? disguise("plane") : null;
  const show = scene === "show";
  const objects = new Map();
  const runs = [];
  const readers = new Set();
  const streams = new Set();
  const backlog = [];
  let seq = 40;
  let serial = 0x3c4d;

  const publish = (event) => {
    const full = { seq: ++seq, at: iso(), ...event };
    backlog.push(full);
    for (const send of readers) send(full);
  };
  const taskRow = (run, taskId, status, age, took, more = {}) => ({
    id: `trun_0192f${(++serial).toString(16)}a7b8`,
    taskId,
    pipelineRunId: run.id,
    status,
    codeVersion: 3,
    codeHash: "9f86d081884c7d65",
    codeChanged: false,
    firstRun: false,
    attempt: 1,
    maxRetries: 3,
    priority: 100,
    inputPath: run.inputPath,
    upstreamRefs: {},
    previousAttempts: [],
    scheduledAt: null,
    startedAt: status === "pending" ? null : iso(age),
    completedAt: took === null ? null : iso(age - took),
    lastHeartbeat: null,
    createdAt: iso(age + 40),
    metadata: {},
    ...more,
  });
  const newRun = (input, age = 0) => {
    const id = `prun_0192f${(++serial).toString(16)}e5f6`;
    const run = {
      id,
      pipelineRunId: id,
      pipelineId: "pdf-processor",
      pipelineVersion: "1.0.0",
      status: "running",
      triggeredBy: "bootstrap admin",
      failureMode: "fail-fast",
      inputPath: `runs/${id}/input.json`,
      structureSnapshot: structure,
      entryTasks: ["download"],
      metadata: {},
      createdAt: iso(age),
      startedAt: iso(age),
      completedAt: null,
      tasks: [],
    };
    objects.set(run.inputPath, input);
    runs.unshift(run);
    return run;
  };
  const output = (run, task, value) => {
    const path = `runs/${run.id}/outputs/${task}.json`;
    objects.set(path, value);
    return { outputPath: path, outputSize: JSON.stringify(value).length };
  };
  const summary = { title: "Architecture", words: 2184, pages: 6, tables: 3, topWords: ["worker", "pipeline", "run"] };

  function seed() {
    const input = { pdfUrl: "https://example.org/report.pdf", extractTables: true };
    for (let n = 34; n > 0; n--) {
      const run = newRun(input, n * 2_700_000);
      const age = n * 2_700_000;
      run.status = n % 9 === 0 ? "failed" : n % 13 === 0 ? "cancelled" : "completed";
      run.completedAt = iso(age - 4_300 - n * 61);
      run.tasks = [taskRow(run, "download", "completed", age, 820, output(run, "download", { pages: 6 }))];
      if (run.status === "failed") run.error = "extract-tables: pdf: object 12 0 is not a stream";
    }
    const failed = newRun(input, 900_000);
    Object.assign(failed, { status: "failed", completedAt: iso(880_000), error: `extract-tables: ${errorText}` });
    failed.tasks = [
      taskRow(failed, "download", "completed", 900_000, 740, output(failed, "download", { pages: 6, bytes: 182_044 })),
      taskRow(failed, "extract-text", "completed", 899_000, 2_300, output(failed, "extract-text", { words: 2_184 })),
      taskRow(failed, "extract-tables", "failed", 885_000, 4_100, {
        createdAt: iso(899_000),
        attempt: 4,
        error: errorText,
        errorCode: "PDF_BROKEN",
        previousAttempts: [1, 2, 3].map((a) => ({
          attempt: a,
          error: "pdf: object 12 0 is not a stream",
          errorCode: "PDF_BROKEN",
          startedAt: iso(900_000 - a * 4_000 + 1_500),
          timestamp: iso(900_000 - a * 4_000),
          retryAt: iso(900_000 - a * 4_000 - 1_000),
        })),
      }),
    ];
    const short = newRun({ ...input, extractTables: false }, 420_000);
    Object.assign(short, { status: "completed", completedAt: iso(415_000) });
    short.tasks = [
      taskRow(short, "download", "completed", 420_000, 640, {
        ...output(short, "download", { pages: 6 }),
        selectedNext: ["extract-text"],
      }),
      taskRow(short, "extract-text", "completed", 419_000, 1_900, {
        ...output(short, "extract-text", { words: 2_184 }),
        assets: { "text.txt": { path: `runs/${short.id}/assets/text.txt`, size: 14_233, type: "text" } },
      }),
      taskRow(short, "summarize", "completed", 417_000, 1_200, output(short, "summarize", { ...summary, tables: 0 })),
    ];
    objects.set(`runs/${short.id}/assets/text.txt`, "plain text");
    short.outputPath = short.tasks[2].outputPath;
    const live = newRun(input, 21_000);
    live.tasks = [
      taskRow(live, "download", "completed", 20_900, 930, output(live, "download", { pages: 6 })),
      taskRow(live, "extract-text", "running", 19_000, null, {
        metadata: { progress: 62, progressMessage: "page 4 of 6" },
      }),
      taskRow(live, "extract-tables", "pending", 19_000, null, {
        attempt: 2,
        scheduledAt: iso(-38_000),
        previousAttempts: [{ attempt: 1, error: "connection reset by peer", timestamp: iso(12_000) }],
      }),
    ];
    objects.set(`runs/${short.id}/assets/large.txt`, "line of a large object\n".repeat(30_000));
    const replayed = replayedRun(newRun, taskRow);
    runs.push(runs.shift()); // it is the oldest
    return { failed, short, live, replayed };
  }

  /** Moves a triggered run forward, one step at a time, as a worker would. */
  async function play(run) {
    const pause = () => new Promise((done) => setTimeout(done, stepMs));
    const changed = (row) =>
      publish({ type: "run", runId: run.id, taskRunId: row.id, pipelineId: run.pipelineId, status: row.status });
    const tables = objects.get(run.inputPath)?.extractTables !== false;
    const work = async (task, selectedNext) => {
      const row = taskRow(run, task, "running", 0, null, { metadata: { progress: 0 } });
      run.tasks.push(row);
      changed(row);
      await pause();
      row.metadata = { progress: 50, progressMessage: "half way" };
      changed(row);
      await pause();
      Object.assign(row, {
        status: "completed",
        completedAt: iso(),
        metadata: { progress: 100 },
        ...output(run, task, task === "summarize" ? summary : { ok: true }),
        ...(selectedNext ? { selectedNext } : {}),
      });
      changed(row);
    };
    await work("download", tables ? undefined : ["extract-text"]);
    await Promise.all([work("extract-text"), ...(tables ? [work("extract-tables")] : [])]);
    await work("summarize");
    Object.assign(run, { status: "completed", completedAt: iso(), outputPath: run.tasks.at(-1).outputPath });
    changed(run.tasks.at(-1));
    publish({ type: "run", runId: run.id, pipelineId: run.pipelineId, status: run.status });
  }

  const seeded = empty ? {} : show ? seedShow({ newRun, taskRow, output, objects, runs }) : seed();
  let dead = show ? showLetters(seeded) : letters(empty, seeded.failed?.id);
  if (scene === "large") {
    seeded.wide = wideRun(newRun, taskRow, 10_000);
    seeded.dense = denseRun(newRun, taskRow, 500);
  }
  /** The events of a task run; one that runs tells more each time it is asked. */
  let told = 3;
  const eventsOf = (id) => {
    const run = runs.flatMap((r) => r.tasks).find((t) => t.id === id);
    const n = run?.completedAt ? 3 : told++;
    return Array.from({ length: n }, (_, i) => ({
      id: i + 1,
      attempt: 1,
      seq: i,
      type: i % 3 === 2 ? "stderr" : "assistant",
      ts: iso(20_000 - i * 1_000),
      payload: { text: `event ${i} <b>of</b> ${run?.taskId}` },
    }));
  };
  const { session, enrollments, workers, services, tasks, pipelines } = show
    ? showRecords(seeded.live.id)
    : records(empty, seeded.live?.id);
  session.role = role;
  const machines = fleet({ scene, session, workers, enrollments, publish });

  const routes = [
    ...machines.routes,
    ["GET", /^\/api\/v1\/session$/, () => session],
    ...maintenance(session, publish),
    ["GET", /^\/api\/info$/, () => ({ version: "0.1.0" })],
    [
      "GET",
      /^\/api\/queue\/status$/,
      () =>
        show
          ? showQueue(runs, dead)
          : {
              pending: empty ? 0 : 2,
              running: empty ? 0 : 1,
              waiting: 0,
              completed: empty ? 0 : 141,
              failed: empty ? 0 : 5,
              dlq: empty ? 0 : 4,
              oldestPending: empty ? null : iso(19_000),
            },
    ],
    ["GET", /^\/api\/run-counts$/, (_, { query }) => countRuns(runs, Number(query.get("hours") ?? 24))],
    [
      "GET",
      /^\/api\/maintenance$/,
      () => ({ mode: "running", canEnterMaintenance: false, pendingTasks: 2, runningTasks: 1, message: "" }),
    ],
    ["GET", /^\/api\/pipelines$/, () => ({ pipelines })],
    [
      "GET",
      /^\/api\/pipelines\/([^/]+)$/,
      ([id]) => {
        const pipeline = pipelines.find((p) => p.id === id);
        return pipeline ? { pipeline } : missing("Pipeline not found");
      },
    ],
    [
      "POST",
      /^\/api\/pipelines\/([^/]+)\/trigger$/,
      (_, { body }) => {
        const wrong = inputErrors(body.input ?? {});
        if (body.validationMode === "strict" && wrong.length > 0)
          return {
            status: 400,
            error: "Input validation failed",
            code: "invalid",
            requestId: "req_fake",
            validationErrors: { download: wrong },
          };
        const run = newRun(body.input ?? {});
        publish({ type: "run", runId: run.id, pipelineId: run.pipelineId, status: "running" });
        void play(run);
        return {
          pipelineRunId: run.id,
          status: "running",
          inputPath: run.inputPath,
          entryTasks: ["download"],
          queuedTasks: [],
        };
      },
    ],
    [
      "GET",
      /^\/api\/runs$/,
      (_, { query }) => {
        const limit = Number(query.get("limit") ?? 100);
        const offset = Number(query.get("offset") ?? 0);
        const hit = runs.filter(
          (r) =>
            (!query.get("status") || r.status === query.get("status")) &&
            (!query.get("pipelineId") || r.pipelineId === query.get("pipelineId")) &&
            (!query.get("version") || r.pipelineVersion === query.get("version")) &&
            (!query.get("text") ||
              `${r.id} ${r.pipelineId} ${r.error ?? ""}`.toLowerCase().includes(query.get("text").toLowerCase())) &&
            (!query.get("from") || r.createdAt >= query.get("from")),
        );
        return { runs: hit.slice(offset, offset + limit), total: hit.length, limit, offset };
      },
    ],
    [
      "GET",
      /^\/api\/recent-runs$/,
      () => ({
        limit: 50,
        pipelines: Object.fromEntries(
          [...new Set(runs.map((r) => r.pipelineId))].map((id) => [id, runs.filter((r) => r.pipelineId === id)]),
        ),
      }),
    ],
    [
      "POST",
      /^\/api\/pipelines\/([^/]+)\/dry-run$/,
      (_, { body }) => {
        const wrong = body.input === undefined ? [] : inputErrors(body.input);
        return {
          valid: true,
          errors: [],
          warnings: [],
          executionPlan: [["download"], ["extract-text", "extract-tables"], ["summarize"]].map((tasks, step) => ({
            step,
            tasks,
            type: "entry",
            isEnd: step === 2,
          })),
          inputSchemas: { download: inputSchema },
          ...(wrong.length > 0 ? { inputErrors: { download: wrong } } : {}),
        };
      },
    ],
    [
      "GET",
      /^\/api\/runs\/([^/]+)\/replay$/,
      ([id]) => ({ pipelineRunId: id, status: "failed", queued: ["extract-tables"], later: ["summarize"], kept: 2 }),
    ],
    [
      "POST",
      /^\/api\/runs\/([^/]+)\/replay$/,
      ([id]) => {
        const run = runs.find((r) => r.id === id);
        const old = run.tasks.find((t) => t.taskId === "extract-tables");
        const again = taskRow(run, "extract-tables", "running", 0, null);
        old.supersededBy = again.id;
        run.tasks.push(again);
        Object.assign(run, { status: "running", completedAt: null, error: undefined });
        publish({ type: "run", runId: id, status: "running" });
        return { pipelineRunId: id, status: "running", queued: ["extract-tables"], later: ["summarize"], kept: 2 };
      },
    ],
    [
      "GET",
      /^\/api\/task-runs\/([^/]+)\/events$/,
      ([id], { query }) => {
        const after = Number(query.get("after") ?? 0);
        const items = eventsOf(id).filter((e) => e.id > after);
        return { items, next: items.at(-1)?.id ?? after };
      },
    ],
    ...deadLetters(() => dead),
    [
      "POST",
      /^\/api\/dlq\/retry-all$/,
      (_, { body }) => {
        // One of them was retried meanwhile by somebody else.
        const taken = body.ids.length > 1 ? body.ids.filter((id) => id === "dlq_0192f00000000") : [];
        const done = body.ids.filter((id) => !taken.includes(id));
        dead = dead.filter((l) => !done.includes(l.id));
        return {
          retried: done.length,
          results: done.map((dlqId) => ({ dlqId, newRunId: "trun_new", status: "queued", codeVersion: 3 })),
          failed: taken.map((dlqId) => ({ dlqId, error: "DLQ item was already retried" })),
        };
      },
    ],
    [
      "POST",
      /^\/api\/dlq\/purge$/,
      (_, { body }) => {
        const before = dead.length;
        dead = dead.filter((l) => !body.ids.includes(l.id));
        return { purged: before - dead.length, olderThan: null };
      },
    ],
    [
      "GET",
      /^\/api\/queue\/items$/,
      (_, { query }) => {
        const items = runs
          .slice(0, 60)
          .flatMap((r) => r.tasks.slice(0, 10))
          .filter(
            (t) =>
              (!query.get("status") || t.status === query.get("status")) &&
              (!query.get("taskId") || t.taskId.includes(query.get("taskId"))) &&
              (!query.get("codeVersion") || t.codeVersion === Number(query.get("codeVersion"))),
          );
        const offset = Number(query.get("offset") ?? 0);
        const limit = Number(query.get("limit") ?? 100);
        return {
          items: items.slice(offset, offset + limit).map((t) => ({ ...t, runId: t.id })),
          total: items.length,
          limit,
          offset,
        };
      },
    ],
    [
      "GET",
      /^\/api\/tasks\/([^/]+)\/history$/,
      ([id]) => (tasks.some((t) => t.id === id) ? history : missing("Task not found")),
    ],
    [
      "GET",
      /^\/api\/tasks\/([^/]+)\/input-schema$/,
      ([id]) => ({ taskId: id, hasSchema: id === "download", schema: id === "download" ? inputSchema : null }),
    ],
    [
      "GET",
      /^\/api\/storage\/backends$/,
      () => ({
        backends: [
          { id: "local", provider: "local", endpoint: "file:///var/lib/pipeweave", bucket: "data", isDefault: true },
          { id: "archive", provider: "s3", endpoint: "https://s3.example.org", bucket: "archive", isDefault: false },
        ],
        default: "local",
      }),
    ],
    [
      "GET",
      /^\/api\/storage$/,
      (_, { query }) => listFolder(query.get("backend") === "archive" ? [] : objects, query.get("prefix")),
    ],
    [
      "GET",
      /^\/api\/runs\/([^/]+)\/changes$/,
      ([id], { query }) => {
        const { tasks, status, outputPath, error, startedAt, completedAt } = runs.find((r) => r.id === id);
        const named = (query.get("ids") ?? "").split(",");
        const after = tasks.findIndex((t) => t.id === query.get("after"));
        const news = tasks.filter((t, i) => named.includes(t.id) || (after >= 0 && i > after));
        return { status, outputPath, error, startedAt, completedAt, total: tasks.length, tasks: news };
      },
    ],
    ["GET", /^\/api\/runs\/([^/]+)$/, ([id]) => runs.find((r) => r.id === id) ?? missing("Run not found")],
    [
      "POST",
      /^\/api\/runs\/([^/]+)\/cancel$/,
      ([id]) => {
        const run = runs.find((r) => r.id === id);
        Object.assign(run, { status: "cancelled", completedAt: iso() });
        for (const t of run.tasks) if (!t.completedAt) Object.assign(t, { status: "cancelled", completedAt: iso() });
        publish({ type: "run", runId: id, status: "cancelled" });
        return run;
      },
    ],
    ["GET", /^\/api\/services$/, () => ({ services })],
    [
      "GET",
      /^\/api\/services\/([^/]+)$/,
      ([id]) => {
        const service = services.find((s) => s.id === id);
        return service ? { service, tasks: tasks.filter((t) => t.serviceId === id) } : missing("Service not found");
      },
    ],
    [
      "GET",
      /^\/api\/v1\/enrollments$/,
      (_, { query }) => ({
        items: enrollments.filter((e) => !query.get("status") || e.status === query.get("status")),
      }),
    ],
    [
      "GET",
      /^\/api\/v1\/enrollments\/lookup$/,
      (_, { query }) => enrollments.find((e) => e.userCode === query.get("code")) ?? missing("Enrollment not found"),
    ],
    [
      "POST",
      /^\/api\/v1\/enrollments\/([^/]+)\/(approve|deny)$/,
      ([id, verb]) => {
        const e = enrollments.find((x) => x.id === id);
        if (e.status !== "pending")
          return {
            status: 409,
            error: "The request was decided already",
            message: `it was ${e.status} by ${e.decidedBy}`,
            code: "conflict",
            requestId: "req_fake",
          };
        Object.assign(e, {
          status: verb === "approve" ? "approved" : "denied",
          decidedAt: iso(),
          decidedBy: session.name,
        });
        publish({ type: "enrollment", id, status: e.status });
        return e;
      },
    ],
    ["GET", /^\/api\/v1\/workspaces\/default\/workers$/, () => ({ items: workers, nextCursor: null })],
    [
      "POST",
      /^\/api\/v1\/workspaces\/default\/workers\/([^/]+)\/(enable|disable)$/,
      ([id, verb]) => {
        const w = workers.find((x) => x.id === id);
        Object.assign(w, { disabled: verb === "disable", derivedStatus: verb === "disable" ? "disabled" : w.status });
        return {};
      },
    ],
  ];

  const trouble = faults();
  const server = createServer(async (req, res) => {
    wild?.wrap(req, res);
    const url = new URL(req.url, "http://fake");
    if (!url.pathname.startsWith("/api/")) return serveStatic(req, res, "console.html");
    if (req.headers.authorization !== `Bearer ${token}`)
      return sendJSON(res, 401, { error: "Unauthorized", code: "unauthorized", requestId: "req_fake" });
    if (await trouble.answer(req, res, url)) return;
    if (url.pathname === "/api/stream") return stream(req, res, url);
    if (url.pathname === "/api/upload/temp") {
      for await (const _ of req);
      return sendJSON(res, 200, {
        uploadId: "tmp_0123456789abcdefghijk",
        filename: "cover.txt",
        size: 11,
        mimeType: "text/plain",
        storagePath: "",
        expiresAt: iso(-9e7),
      });
    }
    if (url.pathname.startsWith("/api/storage/") && !url.pathname.endsWith("/backends")) {
      const path = decodeURIComponent(url.pathname.slice("/api/storage/".length));
      const found = objects.get(path);
      if (found === undefined)
        return sendJSON(res, 404, { error: "File not found", path, code: "not_found", requestId: "req_fake" });
      const range = /^bytes=(\d+)-(\d+)$/.exec(req.headers.range ?? "");
      if (range) {
        const bytes = Buffer.from(typeof found === "string" ? found : JSON.stringify(found));
        const part = bytes.subarray(Number(range[1]), Number(range[2]) + 1);
        return res
          .writeHead(206, {
            "content-type": "application/octet-stream",
            "content-range": `bytes ${range[1]}-${Number(range[1]) + part.length - 1}/${bytes.length}`,
          })
          .end(part);
      }
      if (typeof found === "string") return res.writeHead(200, { "content-type": "text/plain" }).end(found);
      return sendJSON(res, 200, url.searchParams.get("raw") === "1" ? found : { path, content: found });
    }
    const logOf = /^\/api\/task-runs\/([^/]+)\/logs(\/download)?$/.exec(url.pathname);
    if (logOf) return answerLog(res, url, taskLog(decodeURIComponent(logOf[1]), objects), ofTask);
    if (machines.forbidden(req.method, url.pathname))
      return sendJSON(res, 403, {
        error: "forbidden",
        message: "the token has the role viewer, and this needs another",
        code: "forbidden",
        requestId: "req_fake",
      });
    const body = req.method === "POST" || req.method === "PATCH" ? await readJSON(req) : undefined;
    for (const [method, pattern, handle] of routes) {
      const match = method === req.method && pattern.exec(url.pathname);
      if (!match) continue;
      const answer = handle(match.slice(1).map(decodeURIComponent), { query: url.searchParams, body });
      return sendJSON(res, answer.error && answer.code ? (answer.status ?? 404) : 200, answer);
    }
    sendJSON(res, 404, { error: "Not found" });
  });

  function stream(req, res, url) {
    res.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    const send = (event) => res.write(`id: ${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    res.write(": welcome\n\n");
    const since = Number(req.headers["last-event-id"] ?? url.searchParams.get("since") ?? Number.NaN);
    for (const event of backlog) if (event.seq > since) send(event);
    readers.add(send);
    const end = () => res.end();
    streams.add(end);
    const beat = setInterval(() => res.write(": beat\n\n"), 10_000);
    req.on("close", () => {
      clearInterval(beat);
      streams.delete(end);
      readers.delete(send);
    });
  }

  const finishRuns = () => {
    for (const w of workers) {
      if (w.currentRunId === null) continue;
      Object.assign(w, { currentRunId: null, derivedStatus: "online" });
      publish({ type: "worker", id: w.id, status: "enabled" });
    }
  };
  /** A worker brings a service, and its pipeline with it. */
  const offer = () => {
    const one = records(false);
    services.push(...one.services);
    pipelines.push(...one.pipelines);
    publish({ type: "service", serviceId: one.services[0].id });
  };
  const sayEvent = (id, event) => {
    machines.events.push({ seq: machines.events.length + 1, ts: iso(), ...event });
    publish({ type: "worker", id, status: "enabled" });
  };

  const running = await listen(server, port);
  const base = `http://127.0.0.1:${running.port}`;
  return {
    base,
    port: running.port,
    url: `${base}/?token=${token}`,
    at: (path) => `${base}${path}${path.includes("?") ? "&" : "?"}token=${token}`,
    token,
    seeded,
    session,
    machines,
    enrollments,
    faults: trouble,
    disguise: wild,
    publish,
    /** Leaves the log of a task run: objects with level, message and timestamp. */
    leaveLog: (run, task, lines) => {
      task.logsPath = `runs/${run.id}/logs/${task.id}.${task.attempt}.jsonl`;
      objects.set(task.logsPath, lines.map((line) => JSON.stringify(line)).join("\n"));
    },
    /** Takes the token back, as a revocation does: what comes is refused, and streams end. */
    revoke: () => {
      trouble.set(/./, { status: 401, error: "Unauthorized", code: "unauthorized" });
      for (const end of streams) end();
    },
    finishRuns,
    offer,
    /** One more fails for good, in the way the newest of a task did. */
    fail: (taskId) => {
      const like = dead.find((l) => l.taskId === taskId);
      dead.unshift({ ...like, id: "dlq_0192fnew", taskRunId: "trun_deadnew", failedAt: iso() });
      publish({ type: "run", runId: like.pipelineRunId, taskRunId: "trun_deadnew", status: "failed" });
    },
    sayEvent,
    stop: running.stop,
  };
}

const missing = (error) => ({ error, code: "not_found", requestId: "req_fake" });

/** What the log object of a task run holds, if there is one. */
function taskLog(id, objects) {
  const stored = [...objects].find(([path]) => path.includes(`${id}.`) && path.endsWith(".jsonl"))?.[1] ?? "";
  return stored
    .split("\n")
    .filter(Boolean)
    .map((text, i) => {
      const { timestamp, level, message } = JSON.parse(text);
      return { pos: i * 100, at: timestamp ?? null, level: level ?? "info", text: message };
    });
}
