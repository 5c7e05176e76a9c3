import { queryOptions } from "@tanstack/react-query";
import type {
  ChangeWorkspaceRequest,
  CreateWorkspaceRequest,
  Environment,
  Environments,
  Workspace,
  Workspaces,
} from "../../api/types.ts";
import { type Ask, changed, client, seg } from "../server.ts";

const base = "/api/v1/workspaces";

/** Those that the caller may see: all of them for admins of the default one. */
export const workspacesQuery = queryOptions({
  queryKey: ["workspaces"],
  queryFn: async ({ signal }: Ask): Promise<Workspace[]> =>
    (await client.get<Workspaces>(base, { signal })).items ?? [],
});

export const environmentsQuery = (workspace: string) =>
  queryOptions({
    queryKey: ["environments", workspace],
    enabled: workspace !== "",
    queryFn: async ({ signal }: Ask): Promise<Environment[]> =>
      (await client.get<Environments>(`${base}/${seg(workspace)}/environments`, { signal })).items ?? [],
  });

async function after<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } finally {
    changed(["workspaces"], ["environments"]);
  }
}

export const createWorkspace = (wanted: CreateWorkspaceRequest) => after(client.post<Workspace>(base, wanted));
export const changeWorkspace = (id: string, change: ChangeWorkspaceRequest) =>
  after(client.patch<Workspace>(`${base}/${seg(id)}`, change));
export const createEnvironment = (workspace: string, name: string) =>
  after(client.post<Environment>(`${base}/${seg(workspace)}/environments`, { name }));
