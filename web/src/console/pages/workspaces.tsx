import { useQuery } from "@tanstack/react-query";
import { Building2, Pencil, Plus } from "lucide-react";
import { useState } from "react";
import type { Workspace } from "../../api/types.ts";
import { count } from "../../lib/format.ts";
import { Button } from "../../ui/button.tsx";
import { Id } from "../../ui/copy.tsx";
import { Awaited, Empty, Panel } from "../../ui/panel.tsx";
import { Ago } from "../../ui/time.tsx";
import { EnvironmentForm, WorkspaceDialog } from "../admin/workspace-forms.tsx";
import { useMay, useSession } from "../gate.tsx";
import { Heading } from "../parts.tsx";
import { environmentsQuery, workspacesQuery } from "../queries/workspaces.ts";

export function WorkspacesPage() {
  const session = useSession();
  const admin = useMay("admin");
  const workspaces = useQuery(workspacesQuery);
  const [editing, setEditing] = useState<Workspace | "new" | null>(null);
  // Admins of the default workspace manage all of them; nobody else sees it among theirs.
  const all = admin && (workspaces.data?.find((w) => w.id === session.workspaceId)?.default ?? false);
  return (
    <>
      <Heading
        title="Workspaces"
        tab="Workspaces"
        below="A workspace has hosts, workers and tokens of its own. Pipelines and runs belong to all of them."
      >
        {all && (
          <Button variant="primary" icon={Plus} onClick={() => setEditing("new")}>
            Create a workspace
          </Button>
        )}
      </Heading>
      {workspaces.data ? (
        workspaces.data.length > 0 ? (
          workspaces.data.map((w) => (
            <Panel
              key={w.id}
              title={w.name}
              aside={
                admin && (
                  <Button size="sm" icon={Pencil} aria-label={`Change ${w.name}`} onClick={() => setEditing(w)}>
                    Change
                  </Button>
                )
              }
            >
              <Body workspace={w} own={w.id === session.workspaceId} may={admin} />
            </Panel>
          ))
        ) : (
          <div className="card">
            <Empty icon={Building2} title="No workspace is yours" command="pipeweave workspaces list">
              Ask an admin of the default workspace for a token of one.
            </Empty>
          </div>
        )
      ) : (
        <div className="card">
          <Awaited query={workspaces} what="The workspaces could not be loaded" lines={4} />
        </div>
      )}
      {editing && <WorkspaceDialog workspace={editing === "new" ? null : editing} onClose={() => setEditing(null)} />}
    </>
  );
}

const authWords: Record<string, string> = {
  api_key: "Workers use an API key",
  claude_max: "Workers use a subscription",
};

function Body({ workspace: w, own, may }: { workspace: Workspace; own: boolean; may: boolean }) {
  const environments = useQuery(environmentsQuery(w.id));
  return (
    <div className="space-y-3 p-3">
      <p className="flex flex-wrap gap-x-4 gap-y-1 text-muted">
        <Id id={w.id} what="workspace id" length={30} />
        <span>{authWords[w.authMode] ?? w.authMode}</span>
        {own && <span>the one of your token</span>}
        {w.default && <span>the default one: its admins manage all</span>}
        <span>
          created <Ago at={w.createdAt} />
        </span>
      </p>
      <div>
        <h3 className="text-sm font-medium">
          {environments.data ? count(environments.data.length, "environment") : "Environments"}
        </h3>
        {environments.data ? (
          <ul className="mt-1 flex flex-wrap gap-2">
            {environments.data.map((e) => (
              <li
                key={e.id}
                title={e.id}
                className="max-w-full truncate rounded-md border border-line bg-sunken px-2 py-0.5 text-sm"
              >
                {e.name}
                {e.id === w.environmentId && <span className="text-muted"> · hosts go here</span>}
              </li>
            ))}
          </ul>
        ) : (
          <Awaited query={environments} what="The environments could not be loaded" lines={1} />
        )}
      </div>
      {may && <EnvironmentForm workspace={w} />}
    </div>
  );
}
