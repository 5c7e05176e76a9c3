import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import type { AuditLine, AuditLines } from "../../api/types.ts";
import { type Ask, client } from "../server.ts";

export interface AuditFilter {
  actor?: string | undefined;
  action?: string | undefined;
  object?: string | undefined;
  workspace?: string | undefined;
  /** Of the last so many hours. */
  hours?: number | undefined;
}

function address(filter: AuditFilter, more: Record<string, string>): string {
  const query = new URLSearchParams(more);
  for (const key of ["actor", "action", "object"] as const) if (filter[key]) query.set(key, filter[key]);
  if (filter.workspace) query.set("workspaceId", filter.workspace);
  if (filter.hours) query.set("since", new Date(Date.now() - filter.hours * 3_600_000).toISOString());
  return `/api/v1/audit?${query}`;
}

const pageSize = 100;

/** The log, newest first, page after page. */
export const auditQuery = (filter: AuditFilter) =>
  infiniteQueryOptions({
    queryKey: ["audit", filter],
    initialPageParam: "",
    queryFn: ({ signal, pageParam }) =>
      client.get<AuditLines>(
        address(filter, { limit: String(pageSize), ...(pageParam === "" ? {} : { cursor: pageParam }) }),
        { signal },
      ),
    getNextPageParam: (page) => page.nextCursor ?? undefined,
    // Lines never change; what is new is followed by its number.
    staleTime: Number.POSITIVE_INFINITY,
  });

/** All lines that a filter admits, newest first, but no more than so many. */
export async function allLines(filter: AuditFilter, most: number): Promise<{ rows: AuditLine[]; more: boolean }> {
  const rows: AuditLine[] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const page: AuditLines = await client.get(address(filter, { limit: "500", ...(cursor ? { cursor } : {}) }));
    rows.push(...(page.items ?? []));
    cursor = page.nextCursor;
    if (rows.length >= most) return { rows: rows.slice(0, most), more: cursor !== null || rows.length > most };
  }
  return { rows, more: false };
}

/** What came after a line, oldest first. The numbers have no gaps that fill later, so none is missed. */
export const auditAfter = (filter: AuditFilter, seq: number, signal?: AbortSignal): Promise<AuditLines> =>
  client.get<AuditLines>(
    address({ ...filter, hours: undefined }, { limit: "500", order: "oldest", cursor: String(seq) }),
    signal ? { signal } : {},
  );

/** What was done to an object, and to those that belong to it, newest first. For admins. */
export const historyQuery = (objects: string[], limit = 8) =>
  queryOptions({
    queryKey: ["audit-of", ...objects],
    queryFn: async ({ signal }: Ask): Promise<AuditLine[]> => {
      const pages = await Promise.all(
        objects.map((object) => client.get<AuditLines>(address({ object }, { limit: String(limit) }), { signal })),
      );
      const lines = pages.flatMap((p) => p.items ?? []).toSorted((a, b) => b.seq - a.seq);
      return lines.slice(0, limit);
    },
  });
