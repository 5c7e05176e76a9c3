import { useIsMutating, useMutation } from "@tanstack/react-query";
import { type LucideIcon, Terminal } from "lucide-react";
import { type ReactNode, useId, useState } from "react";
import { Button } from "./button.tsx";
import { CopyButton } from "./copy.tsx";
import { TextField } from "./field.tsx";
import { FormDialog } from "./form-dialog.tsx";
import { Refusal } from "./refusal.tsx";
import { toast } from "./toast.tsx";

export interface Question {
  title: string;
  body: ReactNode;
  /** What the button that goes on says; the action's label without it. */
  action?: string;
  danger?: boolean;
  /** Has to be typed first, where much is at stake. */
  typed?: string;
}

interface Props<Result> {
  label: string;
  /** While it is under way: "Stopping…". */
  doing?: string;
  icon?: LucideIcon;
  variant?: "primary" | "secondary" | "ghost" | "danger";
  size?: "md" | "sm";
  /** Why it cannot be done now; shown on hover and to screen readers. */
  unavailable?: string | undefined;
  /** For screen readers, where the label says too little: "Stop w1". */
  name?: string;
  /** Asked before; null or absent for what can be taken back. Called when the button is pressed. */
  confirm?: Question | null;
  /** The same from a shell. */
  command?: string;
  /** Actions with one scope are about one thing: while one is under way the others cannot begin. */
  scope?: string;
  /** The label is on hover and for screen readers only. */
  iconOnly?: boolean;
  run: () => Promise<Result>;
  /** What the toast says; nothing when it is null. */
  done: ((result: Result) => string | null) | string;
  onDone?: (result: Result) => void;
}

/**
 * A button that does something on a server: it acts once, says that it is under way, and what came of it. A failure stands
 * beside it until the next try; nothing is shown as done before the server said so.
 */
export function Action<Result>(props: Props<Result>) {
  const [asking, setAsking] = useState(false);
  const ownScope = useId();
  const held = useIsMutating({ mutationKey: [props.scope ?? ownScope] }) > 0;
  const mutation = useMutation({
    mutationKey: [props.scope ?? ownScope],
    mutationFn: props.run,
    onSuccess: (result) => {
      const text = typeof props.done === "function" ? props.done(result) : props.done;
      if (text !== null) toast("ok", text);
      props.onDone?.(result);
    },
  });
  const { icon, unavailable, confirm } = props;
  return (
    <span className="inline-flex min-w-0 flex-col gap-1">
      <Button
        size={props.size ?? "sm"}
        {...(props.variant ? { variant: props.variant } : {})}
        {...(icon ? { icon } : {})}
        pending={mutation.isPending}
        disabled={unavailable !== undefined || held}
        title={unavailable ?? (props.iconOnly ? (props.name ?? props.label) : undefined)}
        aria-label={props.name ?? (props.iconOnly ? props.label : undefined)}
        onClick={() => (confirm ? setAsking(true) : mutation.mutate())}
      >
        {mutation.isPending ? (props.doing ?? props.label) : props.iconOnly ? null : props.label}
      </Button>
      {mutation.isError && <Refusal what={`${props.label} failed`} error={mutation.error} className="max-w-md" />}
      {asking && confirm && (
        <Ask
          question={confirm}
          label={props.label}
          command={props.command}
          onClose={() => setAsking(false)}
          onConfirm={() => {
            setAsking(false);
            mutation.mutate();
          }}
        />
      )}
    </span>
  );
}

/** The question before an action, with the command that does the same. */
export function Ask({
  question,
  label,
  command,
  onConfirm,
  onClose,
}: {
  question: Question;
  label: string;
  command: string | undefined;
  onConfirm: () => void;
  onClose: () => void;
}) {
  const [typed, setTyped] = useState("");
  return (
    <FormDialog
      title={question.title}
      action={question.action ?? label}
      danger={question.danger ?? false}
      held={question.typed !== undefined && typed !== question.typed}
      onSubmit={onConfirm}
      onClose={onClose}
      command={command}
    >
      {question.body}
      {question.typed !== undefined && (
        <TextField
          label={`Type ${question.typed} to go on`}
          autoComplete="off"
          spellCheck={false}
          value={typed}
          onChange={(e) => setTyped(e.target.value)}
        />
      )}
    </FormDialog>
  );
}

/** Copies the command line that does what the buttons beside it do. */
export function CopyCommand({ command }: { command: string }) {
  return (
    <span className="inline-flex items-center text-muted" title={command}>
      <Terminal aria-hidden className="size-3.5" />
      <CopyButton text={command} label={`Copy as command: ${command}`} />
    </span>
  );
}
