import { Check, ChevronsUpDown, ExternalLink, Pencil, Plus, Trash2 } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useCommands } from "../lib/commands.ts";
import { Button, IconButton } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { TextField } from "../ui/field.tsx";
import { Menu } from "../ui/menu.tsx";
import { forgetServer, keepServer, type Server, serverProblem, useServers } from "./servers.ts";

// Another control plane has a page and a sign-in of its own, and takes no calls from this one's page. So it is opened.
const open = (server: Server) => window.location.assign(`${server.url}/`);

/** Switches between the control planes that this browser remembers. */
export function ServerMenu() {
  const servers = useServers();
  const [managing, setManaging] = useState(false);
  const here = window.location.origin;
  const others = servers.filter((s) => s.url !== here);
  useCommands([
    ...others.map((s) => ({
      id: `server ${s.url}`,
      label: s.name,
      words: s.url,
      group: "Control plane",
      run: () => open(s),
    })),
    {
      id: "servers",
      label: "Manage control planes",
      group: "Do",
      words: "switch server",
      run: () => setManaging(true),
    },
  ]);
  return (
    <>
      <Menu
        label="Control planes"
        icon={ChevronsUpDown}
        items={[
          ...servers.map((s) => ({
            label: s.name,
            note: s.url === here ? "This one" : s.url,
            icon: s.url === here ? Check : ExternalLink,
            run: () => s.url !== here && open(s),
          })),
          { label: "Manage…", icon: Pencil, run: () => setManaging(true) },
        ]}
      />
      {managing && <Manage onClose={() => setManaging(false)} />}
    </>
  );
}

function Manage({ onClose }: { onClose: () => void }) {
  const servers = useServers();
  const here = window.location.origin;
  const known = servers.some((s) => s.url === here);
  const [editing, setEditing] = useState<Server | null>(null);
  return (
    <Dialog title="Control planes" onClose={onClose}>
      <div className="space-y-4 overflow-y-auto px-4 py-4">
        <p className="text-muted">
          This browser keeps the list. Each control plane has a sign-in of its own; tokens are not kept here.
        </p>
        {servers.length > 0 && (
          <ul aria-label="Remembered control planes" className="divide-y divide-line rounded-md border border-line">
            {servers.map((s) => (
              <li key={s.url} className="flex items-center gap-1 py-1.5 pr-1.5 pl-3">
                <div className="min-w-0 flex-1">
                  <p className="truncate font-medium" title={s.name}>
                    {s.name}
                  </p>
                  <p className="truncate text-sm text-muted" title={s.url}>
                    {s.url === here ? `${s.url}, this one` : s.url}
                  </p>
                </div>
                {s.url !== here && <IconButton icon={ExternalLink} label={`Open ${s.name}`} onClick={() => open(s)} />}
                <IconButton icon={Pencil} label={`Change ${s.name}`} onClick={() => setEditing(s)} />
                <IconButton
                  icon={Trash2}
                  label={`Remove ${s.name}`}
                  onClick={() => {
                    forgetServer(s.url);
                    if (editing?.url === s.url) setEditing(null);
                  }}
                />
              </li>
            ))}
          </ul>
        )}
        <ServerForm
          key={editing?.url ?? `${known}${servers.length}`}
          servers={servers}
          editing={editing}
          suggest={known ? "" : here}
          onDone={() => setEditing(null)}
        />
      </div>
    </Dialog>
  );
}

function ServerForm({
  servers,
  editing,
  suggest,
  onDone,
}: {
  servers: Server[];
  editing: Server | null;
  /** The address to begin with. */
  suggest: string;
  onDone: () => void;
}) {
  const [name, setName] = useState(editing?.name ?? "");
  const [url, setURL] = useState(editing?.url ?? suggest);
  const [problem, setProblem] = useState<ReturnType<typeof serverProblem>>(null);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const found = serverProblem(servers, { name, url }, editing?.url);
    setProblem(found);
    if (found) return;
    keepServer({ name, url }, editing?.url);
    onDone();
  };
  return (
    <form onSubmit={submit} noValidate className="space-y-3">
      <h3 className="font-semibold">{editing ? `Change ${editing.name}` : "Add one"}</h3>
      <TextField
        label="Name"
        placeholder="production"
        maxLength={60}
        value={name}
        error={problem?.name}
        onChange={(e) => setName(e.target.value)}
      />
      <TextField
        label="Address"
        inputMode="url"
        spellCheck={false}
        placeholder="https://control.example.com"
        value={url}
        error={problem?.url}
        onChange={(e) => setURL(e.target.value)}
      />
      <div className="flex justify-end gap-2">
        {editing && <Button onClick={onDone}>Leave as it was</Button>}
        <Button type="submit" variant="primary" {...(editing ? {} : { icon: Plus })}>
          {editing ? "Keep the change" : "Add"}
        </Button>
      </div>
    </form>
  );
}
