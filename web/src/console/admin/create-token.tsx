import { useMutation, useQuery } from "@tanstack/react-query";
import { KeyRound } from "lucide-react";
import { useState } from "react";
import type { CreatedToken, CreateTokenRequest } from "../../api/types.ts";
import { shellQuote } from "../../lib/format.ts";
import { Button } from "../../ui/button.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { SelectField, TextField } from "../../ui/field.tsx";
import { DialogForm } from "../../ui/form-dialog.tsx";
import { SecretOnce } from "../../ui/secret-once.tsx";
import { useSession } from "../gate.tsx";
import { createToken } from "../queries/tokens.ts";
import { workspacesQuery } from "../queries/workspaces.ts";
import { kindWords, roleWords } from "./token-words.ts";

const lifetimes: [number, string, string][] = [
  [3_600, "An hour", "1h"],
  [86_400, "A day", "24h"],
  [2_592_000, "30 days", "720h"],
  [7_776_000, "90 days", "2160h"],
  [31_536_000, "A year", "8760h"],
];

/** Creates a token, and shows it this once. */
export function CreateToken({ onClose }: { onClose: () => void }) {
  const [made, setMade] = useState<CreatedToken | null>(null);
  return (
    <Dialog title={made ? `The token ${made.name}` : "Create a token"} onClose={onClose}>
      {made ? <Made token={made} onClose={onClose} /> : <Form onMade={setMade} onClose={onClose} />}
    </Dialog>
  );
}

function Form({ onMade, onClose }: { onMade: (token: CreatedToken) => void; onClose: () => void }) {
  const { workspaceId } = useSession();
  const workspaces = useQuery(workspacesQuery);
  const [name, setName] = useState("");
  const [kind, setKind] = useState("pwk");
  const [role, setRole] = useState("viewer");
  const [seconds, setSeconds] = useState(0);
  const [workspace, setWorkspace] = useState(workspaceId);
  const [empty, setEmpty] = useState(false);
  const pool = kind === "pool" || kind === "pop";
  const wanted: CreateTokenRequest = {
    name: name.trim(),
    kind: kind as NonNullable<CreateTokenRequest["kind"]>,
    ...(kind === "pwk" ? { role: role as NonNullable<CreateTokenRequest["role"]> } : {}),
    ...(seconds > 0 ? { expiresInSec: seconds } : {}),
    ...(!pool && workspace !== workspaceId ? { workspaceId: workspace } : {}),
  };
  const create = useMutation({ mutationFn: () => createToken(wanted), onSuccess: onMade });
  const submit = () => {
    setEmpty(name.trim() === "");
    if (name.trim() !== "") create.mutate();
  };
  const command = [
    `pipeweave tokens create ${shellQuote(name.trim() || "NAME")}`,
    kind === "pwk" ? `--role ${role}` : `--kind ${kind}`,
    seconds > 0 && `--expires ${lifetimes.find(([s]) => s === seconds)?.[2]}`,
    wanted.workspaceId && `--workspace ${wanted.workspaceId}`,
  ];
  return (
    <DialogForm
      action="Create the token"
      icon={KeyRound}
      cancel="Close"
      pending={create.isPending}
      onSubmit={submit}
      onClose={onClose}
      refused="The token was not created"
      error={create.error}
      command={command.filter(Boolean).join(" ")}
    >
      <TextField
        label="Name"
        maxLength={255}
        placeholder="ci"
        hint="The audit log calls what is done with it by this name."
        error={empty ? "Give it a name." : undefined}
        value={name}
        onChange={(e) => setName(e.target.value)}
      />
      <SelectField label="For" hint={kindWords[kind]?.hint} value={kind} onChange={(e) => setKind(e.target.value)}>
        {Object.entries(kindWords).map(([value, words]) => (
          <option key={value} value={value}>
            {words.label}
          </option>
        ))}
      </SelectField>
      {kind === "pwk" && (
        <SelectField label="Role" hint={roleWords[role]} value={role} onChange={(e) => setRole(e.target.value)}>
          {Object.keys(roleWords).map((r) => (
            <option key={r}>{r}</option>
          ))}
        </SelectField>
      )}
      <SelectField label="Expires" value={seconds} onChange={(e) => setSeconds(Number(e.target.value))}>
        <option value={0}>{kindWords[kind]?.usual}</option>
        {lifetimes.map(([value, label]) => (
          <option key={value} value={value}>
            {label}
          </option>
        ))}
      </SelectField>
      {!pool && (workspaces.data?.length ?? 0) > 1 && (
        <SelectField label="Workspace" value={workspace} onChange={(e) => setWorkspace(e.target.value)}>
          {workspaces.data?.map((w) => (
            <option key={w.id} value={w.id}>
              {w.name}
            </option>
          ))}
        </SelectField>
      )}
    </DialogForm>
  );
}

function Made({ token, onClose }: { token: CreatedToken; onClose: () => void }) {
  return (
    <>
      <div className="space-y-3 overflow-y-auto px-4 py-4">
        <SecretOnce what="Token" secret={token.token} />
        <p className="text-muted">
          {kindWords[token.kind]?.hint} The server keeps only its hash; when it is lost, revoke it and create another
          one.
        </p>
        {token.workerPath && (
          <p className="text-muted">
            From the first token on every caller needs one. Workers that cannot send a token append{" "}
            <code className="font-mono text-text">{token.workerPath}</code> to the address of the server.
          </p>
        )}
      </div>
      <footer className="flex justify-end border-t border-line px-4 py-3">
        <Button variant="primary" onClick={onClose}>
          I have copied it
        </Button>
      </footer>
    </>
  );
}
