import { queryOptions } from "@tanstack/react-query";
import type { Host, HostDetail, Hosts, Releases } from "../../api/types.ts";
import { type Ask, changed, client, queries, seg } from "../server.ts";

const path = (id: string, verb = "") => `/api/v1/hosts/${seg(id)}${verb && `/${verb}`}`;

/** The machines of the workspace, the revoked ones too. */
export const hostsQuery = queryOptions({
  queryKey: ["hosts"],
  queryFn: async ({ signal }: Ask): Promise<Host[]> =>
    (await client.get<Hosts>("/api/v1/hosts", { signal })).items ?? [],
  // A host that stops checking in sends no event.
  refetchInterval: 15_000,
});

export const hostQuery = (id: string) =>
  queryOptions({
    queryKey: ["host", id],
    queryFn: ({ signal }: Ask) => client.get<HostDetail>(path(id), { signal }),
    refetchInterval: 10_000,
  });

/** The newest version of each program, against which a host or a worker is behind. */
export const newestQuery = queryOptions({
  queryKey: ["releases", "newest"],
  queryFn: ({ signal }: Ask) => client.get<Releases>("/api/v1/releases/latest", { signal }),
  staleTime: 60_000,
});

async function act(id: string, verb: string, body?: unknown): Promise<HostDetail> {
  try {
    const after = await client.post<HostDetail>(path(id, verb), body);
    queries.setQueryData(hostQuery(id).queryKey, after);
    return after;
  } finally {
    changed(["hosts"], ["host", id], ["workers"], ["audit-of", id]);
  }
}

/** Its workers get no new runs, until an instant or until somebody resumes it. */
export const pauseHost = (id: string, note: string, untilMs: number | null) =>
  act(id, "pause", { note, until: untilMs === null ? null : new Date(untilMs).toISOString() });
export const resumeHost = (id: string) => act(id, "resume");
export const revokeHost = (id: string) => act(id, "revoke");
export const noteHost = (id: string, note: string) => act(id, "note", { note });
