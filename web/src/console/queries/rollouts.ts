import { queryOptions } from "@tanstack/react-query";
import type {
  RollbackRequest,
  Rollout,
  RolloutDetail,
  RolloutPlan,
  Rollouts,
  StartRolloutRequest,
  SteerRolloutRequest,
} from "../../api/types.ts";
import { type Ask, changed, client, queries, seg } from "../server.ts";

const path = (id: string, verb = "") => `/api/v1/rollouts/${seg(id)}${verb && `/${verb}`}`;

/** Whether a rollout still changes by itself. */
export const underway = (status: string) => ["running", "paused", "aborting"].includes(status);

export const rolloutsQuery = queryOptions({
  queryKey: ["rollouts"],
  queryFn: async ({ signal }: Ask): Promise<Rollout[]> =>
    (await client.get<Rollouts>("/api/v1/rollouts?limit=200", { signal })).items ?? [],
  refetchInterval: 15_000,
});

export const rolloutQuery = (id: string) =>
  queryOptions({
    queryKey: ["rollout", id],
    queryFn: ({ signal }: Ask) => client.get<RolloutDetail>(path(id), { signal }),
    // The stream says when something changed; this is only the net under it.
    refetchInterval: (query) => (query.state.data && !underway(query.state.data.status) ? false : 5_000),
  });

/** What a rollout would be about; nothing is begun. */
export const planQuery = (wanted: StartRolloutRequest) =>
  queryOptions({
    queryKey: ["rollout-plan", wanted],
    queryFn: () => client.post<RolloutPlan>("/api/v1/rollouts/plan", wanted),
    retry: false,
    gcTime: 0,
  });

export const rollbackPlanQuery = (id: string) =>
  queryOptions({
    queryKey: ["rollback-plan", id],
    queryFn: () => client.post<RolloutPlan>(path(id, "rollback/plan")),
    retry: false,
    gcTime: 0,
  });

async function told(call: Promise<RolloutDetail>): Promise<RolloutDetail> {
  try {
    const after = await call;
    queries.setQueryData(rolloutQuery(after.id).queryKey, after);
    return after;
  } finally {
    changed(["rollouts"], ["rollout"], ["audit-of"]);
  }
}

export const startRollout = (wanted: StartRolloutRequest) =>
  told(client.post<RolloutDetail>("/api/v1/rollouts", wanted));
export const steerRollout = (id: string, verb: "pause" | "resume" | "abort", how: SteerRolloutRequest = {}) =>
  told(client.post<RolloutDetail>(path(id, verb), how));
/** The answer is the rollout that takes the other one back. */
export const rollBack = (id: string, how: RollbackRequest = {}) =>
  told(client.post<RolloutDetail>(path(id, "rollback"), how));
