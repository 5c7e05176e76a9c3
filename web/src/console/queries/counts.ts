import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import type { DeadLetter, DeadLetters, Maintenance, RunCounts } from "../../api/types.ts";
import { type Ask, client, paced } from "../server.ts";

/** How the runs of the last hours stand. It is cheap to ask for, and asked again as often as that allows. */
export const runCountsQuery = (hours: number) =>
  queryOptions({
    queryKey: ["run-counts", hours],
    placeholderData: keepPreviousData,
    queryFn: ({ signal }: Ask) =>
      paced(["run-counts"], () => client.get<RunCounts>(`/api/run-counts?hours=${hours}`, { signal })),
    // A step ends without an event.
    refetchInterval: 60_000,
  });

/** How many dead letters came in the last day, and the newest of them. */
export const freshLettersQuery = queryOptions({
  queryKey: ["dlq", "fresh"],
  queryFn: async ({ signal }: Ask): Promise<{ count: number; newest: DeadLetter | undefined }> => {
    const from = new Date(Date.now() - 86_400_000).toISOString();
    const answer = await paced(["dlq"], () =>
      client.get<DeadLetters>(`/api/dlq?limit=1&from=${encodeURIComponent(from)}`, { signal }),
    );
    return { count: answer.total, newest: answer.items?.[0] };
  },
});

/** Whether the control plane accepts work. */
export const modeQuery = queryOptions({
  queryKey: ["maintenance"],
  queryFn: ({ signal }: Ask) => client.get<Maintenance>("/api/maintenance", { signal }),
  refetchInterval: 30_000,
});
