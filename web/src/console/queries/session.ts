import { queryOptions } from "@tanstack/react-query";
import type { Session } from "../../api/types.ts";
import { type Ask, client } from "../server.ts";

export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: ({ signal }: Ask) => client.get<Session>("/api/v1/session", { signal }),
  refetchInterval: 60_000,
});
