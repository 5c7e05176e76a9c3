// What the fake control plane knows of hosts, releases, rollouts, tokens, workspaces and its audit log, and the routes to it.
import { iso } from "./records.mjs";
import { showHosts, showReleases, showRollouts, showTokens, writeAudit } from "./show-fleet.mjs";

/** A name that would break a page that trusts names. */
export const hostile = `<img src=x onerror=alert(1)> \u202Etxt.exe ${"long".repeat(200)}`;

const key = (n) => `pwr_${String(n).repeat(43)}`;
const artifact = (program, version, os, arch) => ({
  os,
  arch,
  name: `${program}_${version}_${os}_${arch}.tar.gz`,
  size: 11_482_112,
  sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
  format: "tar.gz",
  stored: true,
});
const release = (program, version, sequence, more = {}) => ({
  program,
  version,
  channel: "stable",
  sequence,
  state: "published",
  keyId: "b5bb9d8014a0f9b1",
  createdAt: iso(86_400_000 * (10 - sequence)),
  expiresAt: iso(-86_400_000 * 300),
  publishedAt: iso(86_400_000 * (10 - sequence)),
  publishedBy: "ada",
  yankedAt: null,
  artifacts: [artifact(program, version, "linux", "amd64"), artifact(program, version, "darwin", "arm64")],
  ...more,
});
const host = (id, name, more = {}) => ({
  id,
  name,
  os: "linux",
  arch: "amd64",
  osVersion: "Debian 12",
  version: "1.4.0",
  capabilities: ["upgrade-workers", "upgrade-self"],
  status: "online",
  lastSeenAt: iso(9_000),
  clockSkewMs: 40,
  registeredAt: iso(86_400_000 * 30),
  revokedAt: null,
  paused: null,
  workers: 0,
  busy: 0,
  disabled: 0,
  warnings: [],
  workspaceId: "default",
  ...more,
});

export function fleet({ scene, session, workers, enrollments, publish }) {
  const empty = scene === "empty";
  const show = scene === "show";
  const refuse = (status, code, error, more = {}) => ({ status, error, code, requestId: "req_fake", ...more });
  const known = (list, id, what) => list.find((x) => x.id === id) ?? refuse(404, "not_found", `${what} not found`);
  let line = 0;
  let serial = 0;
  const audit = [];
  const wrote = (action, object, more = {}) =>
    audit.unshift({
      seq: ++line,
      at: iso(),
      actor: session.name,
      kind: "pwk",
      role: session.role,
      token: "tok_0123456789abcdef",
      action,
      object,
      workspaceId: "default",
      address: "203.0.113.5",
      outcome: "ok",
      requestId: `req_${line}`,
      ...more,
    });
  const hosts = empty
    ? []
    : show
      ? showHosts(host)
      : [
          host("hst_1", "build-07", { note: "under the desk in room 4", version: "1.3.0" }),
          host("hst_2", "mac-02", {
            os: "darwin",
            arch: "arm64",
            osVersion: "macOS 26.1",
            clockSkewMs: -95_000,
            warnings: ["its clock was 1m35s behind when it checked in last"],
          }),
          host("hst_3", "gpu-01", {
            status: "offline",
            lastSeenAt: iso(7_200_000),
            warnings: ["it was heard of last …"],
          }),
          host("hst_4", hostile, { status: "never", lastSeenAt: null, version: "" }),
          host("hst_5", "sold-01", { status: "revoked", revokedAt: iso(86_400_000), revokedBy: "ada" }),
        ];
  for (const w of workers) if (!hosts.some((h) => h.name === w.host)) w.host = hosts[0]?.name ?? "";
  const detail = (h) => {
    const items = workers.filter((w) => w.host === h.name);
    return {
      ...h,
      workers: items.length,
      busy: items.filter((w) => w.currentRunId).length,
      disabled: items.filter((w) => w.disabled).length,
      items,
    };
  };
  const plain = (h) => {
    const { items: _, ...rest } = detail(h);
    return rest;
  };
  const changedHost = (h, action) => {
    wrote(action, h.id, { detail: h.name.slice(0, 200) });
    publish({ type: "host", id: h.id, status: action });
    return detail(h);
  };
  const events = [
    { seq: 1, type: "worker.started", ts: iso(3_600_000), data: { version: "0.1.0", pid: 4_711 } },
    { seq: 2, type: "poll.error", ts: iso(600_000), data: { error: "dial tcp: connection refused", since: 12 } },
    { seq: 3, type: "poll.recovered", ts: iso(590_000), data: {} },
  ];

  const releases = empty
    ? []
    : show
      ? showReleases(release)
      : [
          release("pipedai-worker", "1.5.0", 9, { notes: "Faster claims.\nNothing else." }),
          release("pipedai-worker", "1.4.0", 8),
          release("pipedai-worker", "1.4.1", 7, {
            state: "yanked",
            yankedAt: iso(3_600_000),
            yankedBy: "ada",
            yankReason: "crashes on empty documents",
          }),
          release("pipedai-worker", "1.6.0-rc.1", 1, { channel: "beta", state: "pending", publishedAt: null }),
          release("pipedai-orchestrator", "1.4.0", 4),
        ];
  const rotation = { from: key(1), to: key(2), createdAt: iso(86_400_000 * 40) };
  const keys = {
    ...(empty ? {} : { first: key(1) }),
    rotations: empty
      ? []
      : [
          {
            payloadType: "application/vnd.pipedai.release-key-rotation+json",
            payload: Buffer.from(JSON.stringify(rotation)).toString("base64"),
            signatures: [],
          },
        ],
  };

  const target = (h, state, more = {}) => ({
    hostId: h.id,
    host: h.name,
    version: "1.5.0",
    from: ["1.4.0"],
    state,
    online: h.status === "online",
    lastSeenAt: h.lastSeenAt,
    attempts: state === "waiting" ? 0 : 1,
    orderedAt: iso(300_000),
    deadline: iso(-6_900_000),
    endedAt: null,
    progress: 0,
    workers: [],
    reportedAt: state === "waiting" ? null : iso(4_000),
    ...more,
  });
  const recount = (r) => {
    const n = (...states) => r.targets.filter((t) => states.includes(t.state)).length;
    r.counts = {
      total: r.targets.length,
      waiting: n("waiting"),
      offline: r.targets.filter((t) => t.state === "waiting" && !t.online).length,
      out: n("ordered", "running", "withdrawing"),
      succeeded: n("succeeded"),
      failed: n("failed", "overdue"),
      refused: n("refused"),
      withdrawn: n("withdrawn"),
      skipped: n("skipped"),
    };
    return r;
  };
  const rollout = (id, status, targets, more = {}) =>
    recount({
      id,
      program: "pipedai-worker",
      version: "1.5.0",
      channel: "stable",
      kind: "upgrade",
      status,
      canary: 1,
      maxUnavailable: 1,
      maxFailures: 0,
      hostDeadlineSec: 7_200,
      forceAfterSec: 0,
      createdBy: "ada",
      createdAt: iso(600_000),
      updatedAt: iso(4_000),
      endedAt: null,
      targets,
      leftOut: [],
      ...more,
    });
  const rollouts = empty
    ? []
    : show
      ? showRollouts(rollout, target, hosts)
      : [
          rollout(
            "rol_1",
            "paused",
            [
              target(hosts[0], "succeeded", {
                canary: true,
                workers: [{ workerId: "wrk_01hzq4k8pdf", fromVersion: "1.4.0", version: "1.5.0", status: "upgraded" }],
              }),
              target(hosts[1], "failed", {
                error: "the new version did not become ready in 30 s; the host went back to 1.4.0",
                workers: [{ workerId: "wrk_02", status: "failed", error: "exit status 3" }],
              }),
              target(hosts[2], "waiting"),
              target(hosts[3], "waiting"),
            ],
            { reason: "1 host failed, and 0 may", note: "weekly" },
          ),
          rollout("rol_0", "succeeded", [target(hosts[0], "succeeded")], {
            version: "1.4.0",
            createdAt: iso(86_400_000),
            endedAt: iso(86_300_000),
          }),
        ];
  const planOf = (body) => {
    const wanted = body.hosts ? hosts.filter((h) => body.hosts.includes(h.id)) : hosts;
    const fits = wanted.filter((h) => h.status !== "revoked" && h.status !== "never");
    return {
      program: body.program,
      version: body.version,
      channel: body.channel ?? "stable",
      release: {
        keyId: "b5bb9d8014a0f9b1",
        notes: "Faster claims.\nNothing else.",
        publishedAt: iso(86_400_000),
        publishedBy: "ada",
        expiresAt: iso(-86_400_000 * 300),
      },
      targets: fits.map((h) => target(h, "waiting", { version: body.version, size: 11_482_112 })),
      leftOut: wanted
        .filter((h) => !fits.includes(h))
        .map((h) => ({
          hostId: h.id,
          host: h.name,
          why: h.status === "revoked" ? "it is revoked" : "it never checked in",
        })),
    };
  };
  const moved = (r, action) => {
    recount(r);
    r.updatedAt = iso();
    wrote(action, r.id);
    publish({ type: "rollout", id: r.id, status: r.status });
    return r;
  };

  const tokens = show
    ? showTokens()
    : [
        {
          id: "tok_0123456789abcdef",
          kind: "pwk",
          name: "bootstrap admin",
          role: "admin",
          lastFour: "a1b2",
          workspaceId: "default",
          createdAt: iso(86_400_000 * 60),
          expiresAt: null,
          revokedAt: null,
          lastUsedAt: iso(2_000),
        },
        {
          id: "tok_00000000000000ci",
          kind: "pwk",
          name: "ci",
          role: "operator",
          lastFour: "zz99",
          workspaceId: "default",
          createdBy: "ada",
          createdAt: iso(86_400_000 * 3),
          expiresAt: iso(-86_400_000 * 87),
          revokedAt: null,
          lastUsedAt: null,
        },
      ];
  const workspaces = [
    { id: "default", name: "default", authMode: "api_key", environmentId: "env_1", default: true, createdAt: iso(1e9) },
  ];
  const environments = [{ id: "env_1", workspaceId: "default", name: "production", createdAt: iso(1e9) }];
  if (show) writeAudit(wrote);
  else if (!empty) {
    wrote("enrollment.ask", "enr_1", { actor: "", kind: "", role: undefined });
    wrote("host.note", "hst_1", { actor: "ada", detail: "build-07" });
    wrote("token.create", "tok_00000000000000ci", { actor: "ada", detail: "pwk ci operator" });
    wrote("host.revoke", "hst_5", { actor: "mallory", role: "viewer", outcome: "refused", code: "forbidden" });
  }

  const pool = empty
    ? []
    : ["rack-4", hostile].map((label, i) => ({
        id: `wrk_pool${i}`,
        status: "online",
        derivedStatus: i === 0 ? "busy" : "online",
        currentRunId: i === 0 ? "trun_0192fpool" : null,
        version: "1.4.0",
        lastSeenAt: iso(3_000),
        disabled: false,
        hostname: "rack-4.example.org",
        label,
        os: "linux",
        registeredAt: iso(86_400_000),
      }));

  const mine = (method, pattern, handle) => [method, pattern, handle];
  const routes = [
    mine("GET", /^\/api\/v1\/hosts$/, () => ({ items: hosts.map(plain) })),
    mine("GET", /^\/api\/v1\/hosts\/([^/]+)$/, ([id]) => {
      const h = known(hosts, id, "Host");
      return h.error ? h : detail(h);
    }),
    mine("POST", /^\/api\/v1\/hosts\/([^/]+)\/(note|pause|resume|revoke)$/, ([id, verb], { body }) => {
      const h = known(hosts, id, "Host");
      if (h.error) return h;
      if (verb === "note") h.note = body.note;
      if (verb === "pause")
        h.paused = { by: "host", who: session.name, note: body.note, since: iso(), until: body.until };
      if (verb === "resume") h.paused = null;
      if (verb === "revoke") Object.assign(h, { status: "revoked", revokedAt: iso(), revokedBy: session.name });
      return changedHost(h, `host.${verb}`);
    }),
    mine("GET", /^\/api\/v1\/admin\/pool-workers$/, () => ({ items: pool })),
    mine("POST", /^\/api\/v1\/admin\/pool-workers\/([^/]+)\/(enable|disable)$/, ([id, verb]) => {
      const w = known(pool, id, "Worker");
      if (w.error) return w;
      const off = verb === "disable";
      Object.assign(w, { disabled: off, derivedStatus: off ? "disabled" : "online" });
      w.holds = off ? [{ who: session.name, since: iso(), until: null }] : [];
      wrote(`pool-worker.${verb}`, id);
      return w;
    }),
    mine("DELETE", /^\/api\/v1\/admin\/pool-workers\/([^/]+)$/, ([id]) => {
      pool.splice(
        pool.findIndex((w) => w.id === id),
        1,
      );
      return {};
    }),
    mine("GET", /^\/api\/v1\/workers\/([^/]+)\/events$/, () => ({ items: events, next: events.at(-1).seq })),
    mine("DELETE", /^\/api\/v1\/workspaces\/default\/workers\/([^/]+)$/, ([id]) => {
      workers.splice(
        workers.findIndex((w) => w.id === id),
        1,
      );
      publish({ type: "worker", id, status: "deleted" });
      return {};
    }),
    mine("POST", /^\/api\/v1\/workspaces\/default\/workers\/([^/]+)\/rotate-token$/, () => ({})),
    mine("POST", /^\/api\/v1\/enrollments\/codes$/, (_, { body }) => {
      const made = {
        id: `enr_code${++serial}`,
        kind: "code",
        status: "approved",
        label: body.label,
        createdAt: iso(),
        expiresAt: iso(-1_000 * (body.expiresInSec ?? 86_400)),
        decidedAt: iso(),
        decidedBy: session.name,
        workspaceId: "default",
      };
      enrollments.unshift(made);
      return { ...made, code: "enr_shown-this-once" };
    }),
    mine("POST", /^\/api\/v1\/enrollments\/([^/]+)\/revoke$/, ([id]) => {
      const e = known(enrollments, id, "Enrollment");
      return e.error ? e : Object.assign(e, { status: "revoked", decidedAt: iso(), decidedBy: session.name });
    }),
    mine("GET", /^\/api\/v1\/releases\/latest$/, () => ({
      pipedaiWorker: { latest: "1.5.0", source: "release" },
      pipedaiOrchestrator: { latest: "1.4.0", source: "release" },
      pipeweave: { latest: "0.1.0", source: "control-plane" },
      channel: "stable",
    })),
    mine("GET", /^\/api\/v1\/releases$/, () => ({ items: releases })),
    mine("GET", /^\/api\/v1\/release-keys$/, () => keys),
    mine("POST", /^\/api\/v1\/releases\/([^/]+)\/([^/]+)\/yank$/, ([program, version], { body }) => {
      const gone = releases.filter((r) => r.program === program && r.version === version);
      for (const r of gone)
        Object.assign(r, { state: "yanked", yankedAt: iso(), yankedBy: session.name, yankReason: body.reason });
      publish({ type: "release", id: `${program}/${version}` });
      return { items: gone };
    }),
    mine("GET", /^\/api\/v1\/rollouts$/, () => ({ items: rollouts })),
    mine("POST", /^\/api\/v1\/rollouts\/plan$/, (_, { body }) => planOf(body)),
    mine("POST", /^\/api\/v1\/rollouts$/, (_, { body }) => {
      const made = rollout(`rol_${++serial + 1}`, "running", planOf(body).targets, {
        ...body,
        createdAt: iso(),
        createdBy: session.name,
      });
      Object.assign(made.targets[0], { state: "running", step: "drain", message: "waits for 1 run", progress: 40 });
      rollouts.unshift(made);
      return moved(made, "rollout.start");
    }),
    mine("GET", /^\/api\/v1\/rollouts\/([^/]+)$/, ([id]) => known(rollouts, id, "Rollout")),
    mine("POST", /^\/api\/v1\/rollouts\/([^/]+)\/(pause|resume|abort)$/, ([id, verb], { body }) => {
      const r = known(rollouts, id, "Rollout");
      if (r.error) return r;
      Object.assign(r, {
        status: verb === "pause" ? "paused" : verb === "resume" ? "running" : "aborted",
        reason: verb === "resume" ? "" : `${verb === "pause" ? "paused" : "aborted"} by ${session.name}`,
        endedAt: verb === "abort" ? iso() : null,
      });
      for (const t of r.targets) {
        if (verb === "abort" && ["waiting", "running", "ordered"].includes(t.state)) t.state = "withdrawn";
        if (verb === "resume" && t.state === "failed")
          Object.assign(t, body.retry ? { state: "running", step: "download", error: "" } : { forgiven: true });
      }
      return moved(r, `rollout.${verb}`);
    }),
    mine("POST", /^\/api\/v1\/rollouts\/([^/]+)\/rollback\/plan$/, ([id]) => {
      const r = known(rollouts, id, "Rollout");
      return {
        program: r.program,
        version: r.version,
        channel: r.channel,
        targets: r.targets
          .filter((t) => t.state === "succeeded")
          .map((t) => ({ ...t, version: "1.4.0", from: ["1.5.0"] })),
        leftOut: [],
      };
    }),
    mine("POST", /^\/api\/v1\/rollouts\/([^/]+)\/rollback$/, ([id]) => {
      const r = known(rollouts, id, "Rollout");
      const made = rollout(`rol_${++serial + 1}`, "running", [target(hosts[0], "ordered", { version: "1.4.0" })], {
        kind: "rollback",
        rollbackOf: r.id,
        createdAt: iso(),
        createdBy: session.name,
      });
      rollouts.unshift(made);
      return moved(made, "rollout.rollback");
    }),
    mine("GET", /^\/api\/v1\/tokens$/, () => ({ items: tokens })),
    mine("POST", /^\/api\/v1\/tokens$/, (_, { body }) => {
      const made = {
        id: `tok_made${++serial}`,
        lastFour: "once",
        kind: "pwk",
        workspaceId: "default",
        createdBy: session.name,
        createdAt: iso(),
        expiresAt: body.expiresInSec ? iso(-1_000 * body.expiresInSec) : null,
        revokedAt: null,
        lastUsedAt: null,
        name: body.name,
        role: body.role,
      };
      tokens.unshift(made);
      wrote("token.create", made.id, { detail: body.name });
      return { ...made, token: "pwk_shown-this-once" };
    }),
    mine("DELETE", /^\/api\/v1\/tokens\/([^/]+)$/, ([id]) => {
      if (id === "tok_0123456789abcdef")
        return refuse(409, "conflict", "The token is the one in use", { message: "revoke it with another token" });
      const t = known(tokens, id, "Token");
      if (t.error) return t;
      wrote("token.revoke", id, { detail: t.name });
      return Object.assign(t, { revokedAt: iso() });
    }),
    mine("GET", /^\/api\/v1\/workspaces$/, () => ({ items: workspaces })),
    mine("POST", /^\/api\/v1\/workspaces$/, (_, { body }) => {
      const made = { id: `ws_${++serial}`, environmentId: "", default: false, createdAt: iso(), ...body };
      workspaces.push(made);
      return made;
    }),
    mine("PATCH", /^\/api\/v1\/workspaces\/([^/]+)$/, ([id], { body }) =>
      Object.assign(known(workspaces, id, "Workspace"), body),
    ),
    mine("GET", /^\/api\/v1\/workspaces\/([^/]+)\/environments$/, ([id]) => ({
      items: environments.filter((e) => e.workspaceId === id),
    })),
    mine("POST", /^\/api\/v1\/workspaces\/([^/]+)\/environments$/, ([id], { body }) => {
      const made = { id: `env_${++serial + 1}`, workspaceId: id, name: body.name, createdAt: iso() };
      environments.push(made);
      return made;
    }),
    mine("GET", /^\/api\/v1\/audit$/, (_, { query }) => {
      const hit = audit.filter(
        (l) =>
          (!query.get("actor") || l.actor === query.get("actor")) &&
          (!query.get("action") ||
            l.action === query.get("action") ||
            l.action.startsWith(`${query.get("action")}.`)) &&
          (!query.get("object") || l.object === query.get("object")),
      );
      if (query.get("order") === "oldest")
        return { items: hit.filter((l) => l.seq > Number(query.get("cursor") ?? 0)).reverse(), nextCursor: null };
      return { items: hit.slice(0, Number(query.get("limit") ?? 100)), nextCursor: null };
    }),
  ];

  /** What a role may not; the real server refuses it the same way. */
  const forbidden = (method, path) => {
    const rank = { viewer: 1, operator: 2, admin: 3 }[session.role];
    const admin =
      /^\/api\/v1\/(tokens|audit|admin\/pool-workers\/|enrollments\/.+\/(approve|deny|revoke)|enrollments\/codes|hosts\/.+\/revoke)/;
    const needs = admin.test(path) ? 3 : method === "GET" || /plan$|dry-run$|validate-input$/.test(path) ? 1 : 2;
    return rank < needs;
  };
  const join = (name, decidedBy = session.name) => {
    const made = host(`hst_new${++serial}`, name, { registeredAt: iso() });
    hosts.push(made);
    const joinedBy = {
      id: `enr_joined${serial}`,
      kind: "device",
      status: "redeemed",
      hostname: name,
      os: "linux",
      address: "203.0.113.9",
      createdAt: iso(9_000),
      expiresAt: iso(-600_000),
      decidedAt: iso(2_000),
      decidedBy,
      workspaceId: "default",
    };
    enrollments.unshift(joinedBy);
    wrote("enrollment.approve", joinedBy.id, { actor: decidedBy });
    publish({ type: "enrollment", id: joinedBy.id, status: "redeemed" });
    publish({ type: "host", id: made.id, status: "joined" });
  };
  return { routes, forbidden, join, wrote, hosts, rollouts, moved, events };
}
