import { queryOptions } from "@tanstack/react-query";
import type { QueueStatus } from "../../api/types.ts";
import { type Ask, client } from "../server.ts";

export const queueQuery = queryOptions({
  queryKey: ["queue"],
  queryFn: ({ signal }: Ask) => client.get<QueueStatus>("/api/queue/status", { signal }),
});
