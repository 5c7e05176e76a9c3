import type { HostEvent, Operation } from "../../api/types.ts";

const kinds: Record<string, string> = {
  build: "Build a worker",
  delete: "Delete",
  enable: "Enable",
  disable: "Disable",
  start: "Start",
  stop: "Stop",
  restart: "Restart",
  upgrade: "Upgrade",
  "upgrade-all": "Upgrade all workers",
  "upgrade-self": "Upgrade the daemon",
  adopt: "Adopt workers",
  "adopt-undo": "Give an adopted worker back",
};

/** What an operation is about: "Upgrade pdf to 1.4.0". */
export function operationTitle(op: Operation, name: (id: string) => string): string {
  const kind = kinds[op.kind] ?? op.kind;
  const who = op.workerId ? ` ${name(op.workerId)}` : "";
  const to = op.upgrade?.to ? ` to ${op.upgrade.to}` : "";
  return `${kind}${who}${to}`;
}

const types: Record<string, string> = {
  "daemon.started": "The daemon started",
  "daemon.stopped": "The daemon stopped",
  "daemon.killed": "The daemon before had been killed",
  "worker.started": "started",
  "worker.reattached": "was taken up again",
  "worker.exited": "ended",
  "worker.backing-off": "will be started again",
  "worker.crashed": "ended too often and is left alone",
  "worker.not-started": "could not be started",
  "link.lost": "A control plane does not answer",
  "link.recovered": "A control plane answers again",
  "host.revoked": "A control plane revoked this host",
  "connectivity.changed": "The network changed",
  "release-key.pinned": "A release key was pinned",
  "token.replaced": "The token of this page was replaced",
};

/** What happened, in words; the name of its worker stands before what begins with a small letter. */
export function eventTitle(event: HostEvent): string {
  const known = types[event.type];
  if (known) return known;
  const [group, what = ""] = split(event.type);
  if (group === "action") return `${what} was asked`;
  if (group === "operation") {
    const kind = text(event, "kind");
    return `${kinds[kind] ?? kind}: ${what}`;
  }
  return event.type;
}

const split = (type: string): [string, string] => {
  const at = type.indexOf(".");
  return at < 0 ? [type, ""] : [type.slice(0, at), type.slice(at + 1)];
};

function data(event: HostEvent): Record<string, unknown> {
  const value: unknown = event.data;
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

const text = (event: HostEvent, key: string): string => {
  const value = data(event)[key];
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
};

/** The particulars of an event that say more than its words. */
export function eventDetail(event: HostEvent): string {
  const order = ["error", "reason", "from", "to", "code", "signal", "version", "pid", "apiUrl", "keyId", "how", "by"];
  const known = order.flatMap((key) => {
    const value = text(event, key);
    if (value === "") return [];
    return [key === "error" || key === "reason" ? value : `${key} ${value}`];
  });
  return known.join(" · ");
}

/** How an event looks: a word of ui/state.tsx. */
export function eventState(event: HostEvent): string {
  if (text(event, "error") !== "" || /(crashed|killed|revoked|not-started|failed)$/.test(event.type)) return "error";
  if (/(lost|backing-off|returned|pin-ignored)$/.test(event.type)) return "warning";
  if (event.type === "worker.exited") {
    const { code, signal } = data(event);
    return code === 0 || signal ? "stopped" : "warning";
  }
  if (event.type === "connectivity.changed") return text(event, "to") || "unknown";
  if (/(started|reattached|recovered|succeeded)$/.test(event.type)) return "completed";
  return "inactive";
}
