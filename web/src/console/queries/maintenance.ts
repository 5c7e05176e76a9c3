import { queryOptions } from "@tanstack/react-query";
import type { Maintenance } from "../../api/types.ts";
import { type Ask, changed, client } from "../server.ts";

/** The maintenance mode. While it is waited for, what is left to do changes by itself. */
export const maintenanceQuery = queryOptions({
  queryKey: ["maintenance"],
  queryFn: ({ signal }: Ask) => client.get<Maintenance>("/api/maintenance", { signal }),
  refetchInterval: (query) => (query.state.data?.mode === "waiting_for_maintenance" ? 2_000 : false),
});

export async function moveMaintenance(step: "request" | "exit", reason = ""): Promise<Maintenance> {
  const answer = await client.post<Maintenance>(
    `/api/maintenance/${step}`,
    step === "request" ? { reason } : undefined,
  );
  changed(["maintenance"], ["queue"]);
  return answer;
}
