import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import type { StorageBackends, StorageList } from "../../api/types.ts";
import { type Ask, client, seg } from "../server.ts";

export const backendsQuery = queryOptions({
  queryKey: ["storage", "backends"],
  queryFn: async ({ signal }: Ask) =>
    (await client.get<StorageBackends>("/api/storage/backends", { signal })).backends ?? [],
});

/** What is directly in a folder of a backend, a page after the other. */
export const folderQuery = (backend: string | undefined, prefix: string) =>
  infiniteQueryOptions({
    queryKey: ["storage", "folder", backend ?? "", prefix],
    initialPageParam: "",
    queryFn: ({ signal, pageParam }) => {
      const query = new URLSearchParams({ prefix, folders: "1", limit: "200" });
      if (backend) query.set("backend", backend);
      if (pageParam) query.set("after", pageParam);
      return client.get<StorageList>(`/api/storage?${query}`, { signal, timeoutMs: 30_000 });
    },
    getNextPageParam: (last) => last.next || null,
  });

const partSize = 256_000;

/** A part of an object as text, and how large all of it is. */
export const partQuery = (path: string, backend: string | undefined, from: number) =>
  queryOptions({
    queryKey: ["object", path, backend ?? "", from],
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 60_000,
    queryFn: ({ signal }: Ask) => client.part(bytesOf(path, backend), from, partSize, signal),
  });

/** Where the bytes of an object in a backend are. */
export const bytesOf = (path: string, backend: string | undefined) =>
  `/api/storage/${path.split("/").map(seg).join("/")}?raw=1${backend ? `&backend=${seg(backend)}` : ""}`;
