import { useQuery } from "@tanstack/react-query";
import { useCallback } from "react";
import { workersQuery } from "../queries.ts";
import { nameOf } from "../workers/worker-state.ts";

/** Gives the name of a worker by its id; the id of one that is gone. */
export function useWorkerName(): (id: string) => string {
  const { data } = useQuery(workersQuery);
  return useCallback(
    (id) => {
      const worker = data?.find((w) => w.id === id);
      return worker ? nameOf(worker) : id;
    },
    [data],
  );
}
