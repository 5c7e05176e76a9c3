// What the fake daemon answers about one worker.
import { end } from "./daemon-host.mjs";
import { exitsOf, iso, operation, runEventsOf, runsOf, settingsOf, upgradeSteps } from "./host.mjs";
import { answerLog, ofWorker } from "./log.mjs";
import { readJSON, sendJSON } from "./static.mjs";

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const runEvents = runEventsOf();
const settings = new Map();

/** Answers, if the path is one of a worker's. */
export async function answerWorker(host, req, res, url) {
  const [, , kind, id, verb, run] = url.pathname.split("/");
  if (kind !== "workers") return false;
  const w = host.workers.find((x) => x.id === id);
  if (!w) {
    sendJSON(res, 404, { error: "Worker not found", code: "not_found", requestId: "req_fake" });
    return true;
  }
  const body = req.method === "POST" || req.method === "PATCH" ? await readJSON(req) : {};
  const answer = (value, status = 200) => {
    sendJSON(res, status, value);
    return true;
  };
  const given = settings.get(id) ?? settingsOf();
  if (!verb && req.method === "GET") return answer({ worker: w, settings: given, exits: exitsOf() });
  if (!verb && req.method === "PATCH") {
    Object.assign(given.limits, body.limits);
    Object.assign(given.restart, body.restart);
    settings.set(id, given);
    return answer({ worker: w, settings: given, exits: exitsOf() });
  }
  if (!verb && req.method === "DELETE") {
    host.workers.splice(host.workers.indexOf(w), 1);
    host.status();
    return answer({ id, action: "delete", ok: true });
  }
  if (verb === "logs") {
    answerLog(res, url, host.logs.get(id), ofWorker);
    return true;
  }
  if (verb === "runs" && !run) return answer({ items: id.endsWith("img") ? runsOf() : [] });
  if (verb === "runs") {
    const after = url.searchParams.get("after");
    return answer({ items: runEvents.filter((e) => after === null || e.seq > Number(after)) });
  }
  if (req.method !== "POST") return false;
  if (verb === "upgrade") return answer(upgrade(host, w, body), body.dryRun ? 200 : 202);
  if (verb === "enable" || verb === "disable") return switchWork(host, w, verb, answer);
  if (verb === "start" || verb === "stop" || verb === "restart") return switchProcess(host, w, verb, answer);
  return false;
}

/** Goes through the steps of an upgrade, unless it is cancelled. */
function upgrade(host, w, body) {
  const to = body.rollback ? w.previousPin : w.latestWorkerVersion;
  const plan = { from: w.workerVersion, to, source: w.apiUrl, signedBy: "prk_AhR3", channel: "stable" };
  if (body.dryRun) {
    const about = { ...plan, size: 19_117_348, notes: "Faster claims." };
    return {
      id: w.id,
      action: "upgrade",
      ok: true,
      target: to,
      durationMs: 1,
      oldVersion: w.workerVersion,
      upgrade: about,
    };
  }
  const op = operation(`op_${host.operations.length}`, "upgrade", upgradeSteps, {
    workerId: w.id,
    upgrade: plan,
  });
  host.operations.unshift(op);
  const go = async () => {
    for (const [i, step] of upgradeSteps.entries()) {
      host.tell(op, { step, progress: i * 20 });
      w.upgrade = { operation: op.id, step, undoing: op.undoing, progress: i * 20, to };
      host.status();
      await (step === host.holdAt ? host.held : pause(host.stepMs));
      if (op.cancelAsked) break;
    }
    w.upgrade = null;
    if (!op.cancelAsked) {
      [w.previousPin, w.workerVersion, w.versionStale] = [w.workerVersion, to, to !== w.latestWorkerVersion];
    }
    host.status();
    end(host, op, op.cancelAsked ? "cancelled" : "succeeded", { undoing: false });
  };
  void go();
  return {
    id: w.id,
    action: "upgrade",
    ok: true,
    target: to,
    durationMs: 1,
    oldVersion: w.workerVersion,
    operation: op,
  };
}

function switchWork(host, w, verb, answer) {
  if (host.refuse.has(w.id))
    return answer(
      {
        error: `${w.label} could not be ${verb}d; nothing was changed`,
        code: "upstream_failed",
        requestId: "req_fake",
      },
      502,
    );
  w.enabled = verb === "enable";
  w.desiredState = w.enabled ? "enabled" : "disabled";
  w.remote = w.remote && {
    ...w.remote,
    disabled: !w.enabled,
    derivedStatus: w.enabled ? w.remote.status : "disabled",
  };
  host.status();
  return answer({ id: w.id, action: verb, ok: true });
}

async function switchProcess(host, w, verb, answer) {
  const starting = verb !== "stop";
  w.running = starting;
  w.local = verb === "start" ? { ...w.local, state: "starting" } : { ...w.local, draining: true };
  host.status();
  await pause(400);
  const now = Date.now();
  const ran = { draining: false, reattached: false, nextStartAt: null };
  w.local = starting
    ? {
        ...w.local,
        ...ran,
        state: "running",
        pid: 50_000 + (host.seq % 1_000),
        startedAt: now,
        memoryBytes: 9e7,
        cpuSeconds: 0,
      }
    : {
        ...w.local,
        ...ran,
        state: "stopped",
        pid: null,
        startedAt: null,
        lastExit: { code: 0, signal: null, at: now },
      };
  const status = starting ? "online" : "offline";
  w.remote = {
    ...(w.remote ?? { version: null, disabled: false, currentRunId: null }),
    status,
    derivedStatus: status,
    lastSeenAt: iso(0),
  };
  w.lastEvent = { type: starting ? "worker.started" : "worker.stopped", at: iso(0) };
  host.log(w.id, "out", starting ? "worker started" : "worker drained and stopped");
  host.happen(starting ? "worker.started" : "worker.exited", starting ? { pid: w.local.pid } : { code: 0 }, w.id);
  host.status();
  return answer({ id: w.id, action: verb, ok: true });
}
