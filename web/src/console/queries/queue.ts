import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import type { QueueItems, QueueStatus } from "../../api/types.ts";
import { type Ask, client } from "../server.ts";

export const queueQuery = queryOptions({
  queryKey: ["queue"],
  queryFn: ({ signal }: Ask) => client.get<QueueStatus>("/api/queue/status", { signal }),
});

interface ItemFilter {
  status?: string | undefined;
  taskId?: string | undefined;
  codeVersion?: number | undefined;
  newest?: boolean;
  limit: number;
  offset?: number;
}

export const queueItemsQuery = (filter: ItemFilter) =>
  queryOptions({
    queryKey: ["queue", "items", filter],
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }: Ask) => {
      const query = new URLSearchParams({ limit: String(filter.limit), offset: String(filter.offset ?? 0) });
      if (filter.status) query.set("status", filter.status);
      if (filter.taskId) query.set("taskId", filter.taskId);
      if (filter.codeVersion) query.set("codeVersion", String(filter.codeVersion));
      if (filter.newest) query.set("order", "newest");
      const answer = await client.get<QueueItems>(`/api/queue/items?${query}`, { signal });
      return { items: answer.items ?? [], total: answer.total };
    },
  });
