import type { Rollout, Service, ServiceInstance } from "../../api/types.ts";
import { count, shellQuote } from "../../lib/format.ts";
import { isBehind } from "../../lib/version.ts";
import { underway } from "../queries/rollouts.ts";

export const instancesOf = (s: Service): ServiceInstance[] => s.instances ?? [];

const there = (i: ServiceInstance) => i.status === "online" || i.status === "busy";

/** How many take its work, of how many that could. */
export function takersOf(s: Service): string {
  const all = instancesOf(s);
  if (s.baseUrl) return "pushed to one address";
  if (all.length === 0)
    return s.elsewhere > 0 ? count(s.elsewhere, "worker elsewhere", "workers elsewhere") : "no worker";
  const taking = all.filter(there).length;
  const words = taking === all.length ? count(all.length, "worker") : `${taking} of ${count(all.length, "worker")}`;
  return s.elsewhere > 0 ? `${words}, ${s.elsewhere} elsewhere` : words;
}

/** Which versions run beside the one that registered last; null while there is no other. */
export function otherVersions(s: Service): string | null {
  const running = instancesOf(s).filter((i) => there(i) && i.version);
  const others = new Map<string, number>();
  for (const { version = "" } of running) {
    if (version !== s.version) others.set(version, (others.get(version) ?? 0) + 1);
  }
  if (others.size === 0) return null;
  const said = [...others]
    .sort(([a], [b]) => (isBehind(a, b) ? -1 : 1))
    .map(([version, n]) => {
      const still = isBehind(version, s.version) ? "still " : "";
      return `${n} of ${running.length} ${still}${n === 1 ? "runs" : "run"} ${version}`;
    });
  return said.join(", ");
}

/** The one command that most likely brings back whoever serves it, and where it is typed. */
export function remedyOf(s: Service, origin: string): { command: string; where: string } {
  const all = instancesOf(s);
  const disabled = all.find((i) => i.status === "disabled");
  if (disabled?.workerId)
    return {
      command: `pipeweave ${disabled.workspaceId ? "workers" : "pool"} enable ${disabled.workerId}`,
      where: "To give it work again:",
    };
  const gone = all.find((i) => i.workerId);
  if (gone) return { command: "pipedai-orchestrator status", where: `On ${gone.host || gone.name}, this says why:` };
  if (s.baseUrl)
    return { command: `curl -i ${shellQuote(`${s.baseUrl}/health`)}`, where: "From the server, this says why:" };
  return { command: `pipedai-orchestrator connect --api-url ${origin}`, where: "On a machine that has its worker:" };
}

/** The rollout that brings workers to another version, while there is one. */
export const rolloutOfWorkers = (rollouts: readonly Rollout[] | undefined): Rollout | undefined =>
  rollouts?.find((r) => r.program !== "pipedai-orchestrator" && underway(r.status));
