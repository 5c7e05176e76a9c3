import { queryOptions } from "@tanstack/react-query";
import type { PoolWorkers, RemoteWorker } from "../../api/types.ts";
import { type Ask, changed, client, seg } from "../server.ts";

const base = "/api/v1/admin/pool-workers";

/** Workers of the pool, which belong to no workspace. Only those of the default workspace may look. */
export const poolQuery = queryOptions({
  queryKey: ["workers", "of the pool"],
  queryFn: async ({ signal }: Ask): Promise<RemoteWorker[]> =>
    (await client.get<PoolWorkers>(base, { signal })).items ?? [],
  refetchInterval: 30_000,
});

async function after<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } finally {
    changed(["workers"], ["audit-of"]);
  }
}

export const setPoolWorkerEnabled = (id: string, on: boolean) =>
  after(client.post<unknown>(`${base}/${seg(id)}/${on ? "enable" : "disable"}`, {}));

export const deletePoolWorker = (id: string) => after(client.delete<unknown>(`${base}/${seg(id)}`));
