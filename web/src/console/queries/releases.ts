import { queryOptions } from "@tanstack/react-query";
import type { PublishedRelease, PublishedReleases, ReleaseKeys, YankRequest } from "../../api/types.ts";
import { type Ask, changed, client, seg } from "../server.ts";

/** By program, channel and sequence, the highest first. */
export const releasesQuery = queryOptions({
  queryKey: ["releases", "all"],
  queryFn: async ({ signal }: Ask): Promise<PublishedRelease[]> =>
    (await client.get<PublishedReleases>("/api/v1/releases", { signal })).items ?? [],
});

export const releaseKeysQuery = queryOptions({
  queryKey: ["release-keys"],
  queryFn: ({ signal }: Ask) => client.get<ReleaseKeys>("/api/v1/release-keys", { signal }),
});

export async function yankRelease(program: string, version: string, how: YankRequest): Promise<PublishedReleases> {
  try {
    return await client.post<PublishedReleases>(`/api/v1/releases/${seg(program)}/${seg(version)}/yank`, how);
  } finally {
    changed(["releases"], ["audit-of", `${program}/${version}`]);
  }
}
