import { queryOptions } from "@tanstack/react-query";
import { type Ask, client, seg } from "../server.ts";

/** Where the bytes of a stored object are. */
export const objectURL = (path: string) => `/api/storage/${path.split("/").map(seg).join("/")}?raw=1`;

const showLimit = 512_000;

/** A stored object as text, or the beginning of a large one. */
export const objectQuery = (path: string) =>
  queryOptions({
    queryKey: ["object", path],
    staleTime: Number.POSITIVE_INFINITY, // objects are written once
    gcTime: 60_000,
    queryFn: ({ signal }: Ask) => client.text(objectURL(path), showLimit, signal),
  });
