import { useMutation } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { useState } from "react";
import type { CreateWorkspaceRequest, Workspace } from "../../api/types.ts";
import { shellQuote } from "../../lib/format.ts";
import { Button } from "../../ui/button.tsx";
import { SelectField, TextField } from "../../ui/field.tsx";
import { FormDialog } from "../../ui/form-dialog.tsx";
import { Refusal } from "../../ui/refusal.tsx";
import { toast } from "../../ui/toast.tsx";
import { changeWorkspace, createEnvironment, createWorkspace } from "../queries/workspaces.ts";

/** Creates a workspace, or changes one. */
export function WorkspaceDialog({ workspace, onClose }: { workspace: Workspace | null; onClose: () => void }) {
  const [name, setName] = useState(workspace?.name ?? "");
  const [mode, setMode] = useState(workspace?.authMode ?? "api_key");
  const [empty, setEmpty] = useState(false);
  const wanted: CreateWorkspaceRequest = {
    name: name.trim(),
    authMode: mode as NonNullable<CreateWorkspaceRequest["authMode"]>,
  };
  const save = useMutation({
    mutationFn: () => (workspace ? changeWorkspace(workspace.id, wanted) : createWorkspace(wanted)),
    onSuccess: (after) => {
      toast("ok", workspace ? `${after.name} is changed` : `The workspace ${after.name} is there`);
      onClose();
    },
  });
  const submit = () => {
    setEmpty(wanted.name === "");
    if (wanted.name !== "") save.mutate();
  };
  const shown = shellQuote(wanted.name || "NAME");
  const command = workspace
    ? `pipeweave workspaces change ${shellQuote(workspace.name)} --name ${shown} --auth-mode ${mode}`
    : `pipeweave workspaces create ${shown} --auth-mode ${mode}`;
  return (
    <FormDialog
      title={workspace ? `Change ${workspace.name}` : "Create a workspace"}
      action={workspace ? "Keep the change" : "Create the workspace"}
      cancel={workspace ? "Keep as it is" : "Close"}
      pending={save.isPending}
      onSubmit={submit}
      onClose={onClose}
      refused={workspace ? "It was not changed" : "It was not created"}
      error={save.error}
      command={command}
    >
      <TextField
        label="Name"
        maxLength={255}
        placeholder="research"
        error={empty ? "Give it a name." : undefined}
        value={name}
        onChange={(e) => setName(e.target.value)}
      />
      <SelectField
        label="How its workers pay for models"
        hint="Hosts hear it when they join."
        value={mode}
        onChange={(e) => setMode(e.target.value)}
      >
        <option value="api_key">With an API key</option>
        <option value="claude_max">With a subscription</option>
      </SelectField>
    </FormDialog>
  );
}

/** Adds an environment, such as staging. */
export function EnvironmentForm({ workspace }: { workspace: Workspace }) {
  const [name, setName] = useState("");
  const create = useMutation({
    mutationFn: () => createEnvironment(workspace.id, name.trim()),
    onSuccess: (made) => {
      setName("");
      toast("ok", `The environment ${made.name} is there`);
    },
  });
  return (
    <form
      noValidate
      className="space-y-1"
      onSubmit={(event) => {
        event.preventDefault();
        if (name.trim() !== "") create.mutate();
      }}
    >
      <div className="flex flex-wrap gap-2">
        <input
          aria-label={`New environment of ${workspace.name}`}
          className="field w-52"
          placeholder="staging"
          maxLength={255}
          value={name}
          onChange={(e) => setName(e.target.value)}
        />
        <Button type="submit" icon={Plus} pending={create.isPending} disabled={name.trim() === ""}>
          Add an environment
        </Button>
      </div>
      {create.isError && <Refusal what="It was not added" error={create.error} />}
    </form>
  );
}
