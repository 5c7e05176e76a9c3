// The machines, programs, tokens and audit lines of the scene of the pictures.
import { iso } from "./records.mjs";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

export const showHosts = (host) => [
  host("hst_1", "build-01", { version: "1.5.0", osVersion: "Debian 13" }),
  host("hst_2", "build-02", { version: "1.5.0", osVersion: "Debian 13" }),
  host("hst_3", "build-03", {
    osVersion: "Debian 13",
    note: "new disk on Friday",
    paused: {
      by: "host",
      who: "Ada Lindqvist",
      note: "new disk on Friday",
      since: iso(3 * hour),
      until: iso(-4 * hour),
    },
  }),
  host("hst_4", "gpu-01", { version: "1.5.0", osVersion: "Ubuntu 26.04", note: "rack 2, second from below" }),
  host("hst_5", "gpu-02", { osVersion: "Ubuntu 26.04", status: "offline", lastSeenAt: iso(2 * hour) }),
  host("hst_6", "mac-02", { os: "darwin", arch: "arm64", osVersion: "macOS 26.1" }),
];

export const showReleases = (release) => [
  release("pipedai-worker", "1.5.0", 9, {
    notes: "Claims are faster.\nA worker that is cut off takes an attempt with it.",
  }),
  release("pipedai-worker", "1.4.2", 8),
  release("pipedai-worker", "1.4.1", 7, {
    state: "yanked",
    yankedAt: iso(3 * day),
    yankedBy: "Ada Lindqvist",
    yankReason: "ends on empty documents",
  }),
  release("pipedai-worker", "1.6.0-rc.1", 10, { channel: "beta" }),
  release("pipedai-orchestrator", "1.5.0", 6),
  release("pipedai-orchestrator", "1.4.0", 4),
];

export function showRollouts(rollout, target, hosts) {
  const [one, two, three, four, five, six] = hosts;
  const done = (h, more = {}) => target(h, "succeeded", { from: ["1.4.2"], endedAt: iso(6 * minute), ...more });
  return [
    rollout(
      "rol_1",
      "running",
      [
        done(one, { canary: true }),
        done(two),
        done(four),
        target(six, "running", { from: ["1.4.2"], step: "drain", message: "waits for 1 run", progress: 40 }),
        target(three, "waiting", { from: ["1.4.2"] }),
        target(five, "waiting", { from: ["1.4.2"] }),
      ],
      { note: "the release of November", createdBy: "Ada Lindqvist", createdAt: iso(24 * minute) },
    ),
    rollout(
      "rol_2",
      "paused",
      [
        done(one, { canary: true, version: "1.5.0" }),
        done(two),
        target(six, "failed", {
          from: ["1.4.0"],
          error: "the new version did not become ready in 30 s; the host went back to 1.4.0",
        }),
        target(three, "waiting", { from: ["1.4.0"] }),
        target(five, "waiting", { from: ["1.4.0"] }),
      ],
      {
        program: "pipedai-orchestrator",
        reason: "1 host failed, and 0 may",
        createdBy: "Ada Lindqvist",
        createdAt: iso(70 * minute),
        updatedAt: iso(52 * minute),
      },
    ),
    rollout(
      "rol_0",
      "succeeded",
      [one, two, three, four, five, six].map((h) => done(h, { version: "1.4.2" })),
      {
        version: "1.4.2",
        createdBy: "Tomas Reyes",
        createdAt: iso(12 * day),
        endedAt: iso(12 * day - 40 * minute),
      },
    ),
  ];
}

export function showTokens() {
  const token = (id, name, role, lastFour, age, more = {}) => ({
    id: `tok_${id}`,
    kind: "pwk",
    name,
    role,
    lastFour,
    workspaceId: "default",
    createdBy: "Ada Lindqvist",
    createdAt: iso(age),
    expiresAt: iso(age - 90 * day),
    revokedAt: null,
    lastUsedAt: iso(2 * minute),
    ...more,
  });
  return [
    token("0123456789abcdef", "Ada Lindqvist", "admin", "a1b2", 60 * day, { lastUsedAt: iso(2_000) }),
    token("0123456789abcd02", "Tomas Reyes", "operator", "k9m4", 41 * day, { lastUsedAt: iso(3 * hour) }),
    token("0123456789abcd03", "ci", "operator", "zz99", 12 * day),
    token("0123456789abcd04", "Grafana", "viewer", "p0q7", 80 * day, { expiresAt: null, lastUsedAt: iso(12_000) }),
    token("0123456789abcd05", "old laptop", "admin", "h3x8", 95 * day, {
      expiresAt: null,
      revokedAt: iso(9 * day),
      lastUsedAt: iso(10 * day),
    }),
  ];
}

export function writeAudit(wrote) {
  const ada = { actor: "Ada Lindqvist", address: "198.51.100.7" };
  const tomas = { actor: "Tomas Reyes", role: "operator", address: "198.51.100.23", token: "tok_0123456789abcd02" };
  const grafana = { actor: "Grafana", role: "viewer", address: "203.0.113.40", outcome: "refused", code: "forbidden" };
  const lines = [
    [12 * day, "rollout.start", "rol_0", { ...tomas, detail: "pipedai-worker 1.4.2 to 6 hosts" }],
    [9 * day, "token.revoke", "tok_0123456789abcd05", { ...ada, detail: "old laptop" }],
    [3 * day, "release.yank", "pipedai-worker/1.4.1", { ...ada, detail: "ends on empty documents" }],
    [26 * hour, "host.note", "hst_4", { ...tomas, detail: "rack 2, second from below" }],
    [5 * hour, "dlq.retry-all", "", { ...tomas, detail: "9 dead letters of invoice-import" }],
    [3 * hour, "host.pause", "hst_3", { ...ada, detail: "new disk on Friday" }],
    [95 * minute, "run.cancel", "prun_0192fc3b2e5f6", grafana],
    [70 * minute, "rollout.start", "rol_2", { ...ada, detail: "pipedai-orchestrator 1.5.0 to 5 hosts" }],
    [24 * minute, "rollout.start", "rol_1", { ...ada, detail: "pipedai-worker 1.5.0 to 6 hosts" }],
    [11 * minute, "run.replay", "prun_0192f40d1e5f6", tomas],
    [41_000, "enrollment.ask", "enr_1", { actor: "", kind: "", role: undefined, detail: "build-05" }],
  ];
  for (const [age, action, object, more] of lines) wrote(action, object, { at: iso(age), ...more });
}
