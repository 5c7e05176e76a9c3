import type { LucideIcon } from "lucide-react";
import type { ReactNode } from "react";
import { useAway } from "../lib/away.ts";
import { Button } from "./button.tsx";
import { SameInShell } from "./copy.tsx";
import { Dialog } from "./dialog.tsx";
import { Refusal } from "./refusal.tsx";

interface FormProps {
  /** What the button that goes on says. */
  action: string;
  /** What it says while it is under way; the action without it. */
  doing?: string;
  icon?: LucideIcon;
  danger?: boolean;
  /** It is under way, and cannot be asked for a second time. */
  pending?: boolean;
  /** It cannot be asked for as the form is filled in now. */
  held?: boolean;
  onSubmit: () => void;
  onClose: () => void;
  /** What the button says that closes it with nothing done. */
  cancel?: string;
  /** What did not happen when it was asked for: "The host was not paused". */
  refused?: string;
  /** Why; null while nothing was refused. */
  error?: unknown;
  /** The same from a shell. */
  command?: string | undefined;
  /** Other buttons, apart from those that end the dialog. */
  more?: ReactNode;
  children: ReactNode;
}

/**
 * The inside of a dialog that asks for something: fields, what the server said against it, the command line that does the
 * same, and the buttons. Its first field has the focus; without one, the button that leaves things as they are.
 */
export function DialogForm({ children, refused = "It was not done", error = null, ...props }: FormProps) {
  const { action, doing, icon, danger, pending = false, held = false, more } = props;
  const away = useAway();
  return (
    <form
      noValidate
      className="flex min-h-0 flex-col"
      onSubmit={(event) => {
        event.preventDefault();
        // Enter in a field goes past the button that is held.
        if (!held && !pending && !away) props.onSubmit();
      }}
    >
      <div className="min-h-0 space-y-3 overflow-y-auto p-4">
        {children}
        {error !== null && <Refusal what={refused} error={error} />}
        {away && (
          <p role="status" className="text-sm text-warn">
            {away}. Nothing was sent; what you filled in stays here.
          </p>
        )}
        {props.command && <SameInShell command={props.command} />}
      </div>
      <footer className="flex flex-wrap justify-end gap-2 border-t border-line px-4 py-3">
        {more && <span className="mr-auto">{more}</span>}
        <Button data-autofocus onClick={props.onClose}>
          {props.cancel ?? "Keep as it is"}
        </Button>
        <Button
          type="submit"
          variant={danger ? "danger" : "primary"}
          {...(icon ? { icon } : {})}
          pending={pending}
          disabled={held || away !== undefined}
          title={away}
        >
          {pending ? (doing ?? action) : action}
        </Button>
      </footer>
    </form>
  );
}

/** A dialog that is one form. */
export function FormDialog({ title, wide = false, ...form }: FormProps & { title: string; wide?: boolean }) {
  return (
    <Dialog kind={wide ? "wide" : "dialog"} title={title} onClose={form.onClose}>
      <DialogForm {...form} />
    </Dialog>
  );
}
