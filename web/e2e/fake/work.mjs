// What the fake control plane knows of dead letters, the queue, code versions, storage and forms; and two large runs.
import { iso } from "./records.mjs";

export const hostile = `<img src=x onerror=alert(1)> \u202Etxt.exe ${"very-long-name-".repeat(20)}`;

export const inputSchema = {
  strict: true,
  fields: [
    { name: "pdfUrl", type: "url", label: "Document", required: true, placeholder: "https://…" },
    { name: "extractTables", type: "boolean", label: "Look for tables", required: true, default: true },
    { name: "pages", type: "integer", label: "Pages", min: 1, max: 500 },
    {
      name: "mode",
      type: "select",
      label: "How",
      options: [
        { label: "Fast", value: "fast" },
        { label: "Exact", value: "exact" },
      ],
    },
    {
      name: "reason",
      type: "textarea",
      label: "Why exact",
      required: true,
      showIf: { field: "mode", operator: "eq", value: "exact" },
    },
    { name: "tags", type: "array", label: "Tags", items: { name: "tag", type: "string", label: "Tag" } },
    {
      name: "owner",
      type: "object",
      label: "Owner",
      properties: [{ name: "email", type: "email", label: "E-mail" }],
    },
    { name: "cover", type: "file", label: "Cover", accept: ".png,.txt", maxSize: 1_000_000 },
  ],
};

/** What is wrong with an input of the pipeline, roughly as the engine says it. */
export function inputErrors(input) {
  const errors = [];
  if (!input?.pdfUrl) errors.push({ field: "pdfUrl", message: "Required", code: "invalid_type" });
  if (input?.pages !== undefined && !Number.isInteger(input.pages))
    errors.push({ field: "pages", message: "Must be an integer", code: "invalid_type" });
  if (input?.owner?.email !== undefined && !/@/.test(input.owner.email))
    errors.push({ field: "owner.email", message: "Invalid email address", code: "invalid_string" });
  return errors;
}

export function letters(empty, failedRun) {
  if (empty) return [];
  const letter = (n, taskId, error, more = {}) => ({
    id: `dlq_0192f${n.toString(16).padStart(8, "0")}`,
    taskRunId: `trun_dead${n}`,
    taskId,
    pipelineRunId: failedRun,
    pipelineId: "pdf-processor",
    codeVersion: 3,
    codeHash: "9f86d081884c7d65",
    error,
    attempts: 4,
    previousAttempts: [],
    inputPath: "",
    input: { pdfUrl: "https://example.org/report.pdf", page: n },
    upstreamRefs: {},
    failedAt: iso(60_000 * (n + 1)),
    retriedAt: null,
    ...more,
  });
  return [
    ...Array.from({ length: 120 }, (_, n) =>
      letter(n, "extract-tables", `page ${n} of "a${n}.pdf": object ${n} 0 is not a stream`),
    ),
    letter(200, "download", "dial tcp 10.0.0.7:443: connection refused"),
    letter(201, "download", "dial tcp 10.0.0.9:443: connection refused"),
    letter(202, "summarize", hostile),
  ];
}

export const history = [3, 2, 1].map((n) => ({
  code_version: n,
  code_hash: `9f86d081884c7d65${n}a2feaa0c55ad015`,
  service_version: `1.0.${n - 1}`,
  recorded_at: iso(9e7 / n),
}));

/** One folder of what is stored, as the server lists it. */
export function listFolder(objects, prefix) {
  const folders = new Set();
  const found = [];
  for (const [path, value] of [...objects].sort(([a], [b]) => a.localeCompare(b))) {
    if (!path.startsWith(prefix)) continue;
    const rest = path.slice(prefix.length);
    if (rest.includes("/")) folders.add(`${prefix}${rest.split("/")[0]}/`);
    else {
      const size = (typeof value === "string" ? value : JSON.stringify(value)).length;
      found.push({ path, size, modified: iso(60_000) });
    }
  }
  return { backend: "local", prefix, objects: found, folders: [...folders] };
}

/** A run of very many tasks that fan out from one; every hundredth failed. */
export function wideRun(newRun, taskRow, n) {
  const run = newRun({ pages: n }, 600_000);
  const names = Array.from({ length: n }, (_, i) => `page-${String(i).padStart(5, "0")}`);
  run.pipelineId = "wide";
  run.structureSnapshot = {
    split: { allowedNext: names },
    ...Object.fromEntries(names.map((id) => [id, { allowedNext: [] }])),
  };
  run.entryTasks = ["split"];
  run.tasks = [
    taskRow(run, "split", "completed", 600_000, 2_000),
    ...names.map((id, i) =>
      i % 100 === 99
        ? taskRow(run, id, "failed", 590_000 - i * 10, 4_000, { error: `page ${i} is torn` })
        : taskRow(run, id, "completed", 590_000 - i * 10, 900 + (i % 37) * 100),
    ),
  ];
  Object.assign(run, { status: "failed", completedAt: iso(400_000), error: "page-00099: page 99 is torn" });
  return run;
}

/** A run whose graph has many nodes and four times as many edges, in layers. */
export function denseRun(newRun, taskRow, n) {
  const run = newRun({}, 300_000);
  const wide = 25;
  const name = (i) => `step-${i}`;
  const structure = {};
  for (let i = 0; i < n; i++) {
    const layer = Math.floor(i / wide) + 1;
    const next = [0, 1, 5, 11].map((k) => layer * wide + ((i + k) % wide)).filter((j) => j < n);
    structure[name(i)] = { allowedNext: [...new Set(next)].map(name) };
  }
  run.pipelineId = "dense";
  run.structureSnapshot = structure;
  run.entryTasks = Array.from({ length: wide }, (_, i) => name(i));
  run.tasks = Array.from({ length: n }, (_, i) =>
    taskRow(run, name(i), "completed", 300_000 - Math.floor(i / wide) * 5_000, 3_000 + (i % 7) * 200),
  );
  Object.assign(run, { status: "completed", completedAt: iso(100_000) });
  return run;
}

/** A run that broke, was replayed three days later, and tried twice each time. */
export function replayedRun(newRun, taskRow) {
  const day = 86_400_000;
  const run = newRun({ pdfUrl: "https://example.org/late.pdf" }, 3 * day + 60_000);
  const again = taskRow(run, "extract-text", "completed", 50_000, 4_000, {
    createdAt: iso(60_000),
    attempt: 2,
    previousAttempts: [
      { attempt: 1, error: "timeout", timestamp: iso(56_000), startedAt: iso(59_000), retryAt: iso(52_000) },
    ],
  });
  run.tasks = [
    taskRow(run, "download", "completed", 3 * day + 50_000, 900),
    taskRow(run, "extract-text", "failed", 3 * day + 48_000, 2_000, { error: "timeout", supersededBy: again.id }),
    again,
  ];
  Object.assign(run, { status: "completed", completedAt: iso(46_000), triggeredBy: "nightly import" });
  return run;
}
