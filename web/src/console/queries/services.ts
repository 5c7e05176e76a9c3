import { queryOptions } from "@tanstack/react-query";
import type { ServiceDetail, Services } from "../../api/types.ts";
import { type Ask, client, seg } from "../server.ts";

export const servicesQuery = queryOptions({
  queryKey: ["services"],
  queryFn: async ({ signal }: Ask) => (await client.get<Services>("/api/services", { signal })).services ?? [],
});

export const serviceQuery = (id: string) =>
  queryOptions({
    queryKey: ["service", id],
    queryFn: ({ signal }: Ask) => client.get<ServiceDetail>(`/api/services/${seg(id)}`, { signal }),
  });
