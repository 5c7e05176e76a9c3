import { useIsMutating, useMutation } from "@tanstack/react-query";
import { Ellipsis, LoaderCircle, type LucideIcon, Terminal } from "lucide-react";
import { type ReactNode, useId, useState } from "react";
import { useAway } from "../lib/away.ts";
import { Button } from "./button.tsx";
import { CopyButton } from "./copy.tsx";
import { TextField } from "./field.tsx";
import { FormDialog } from "./form-dialog.tsx";
import { Menu, type MenuItem } from "./menu.tsx";
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

/** Something that can be done on a server. */
export interface Act<Result> {
  label: string;
  /** While it is under way: "Stopping…". */
  doing?: string;
  icon?: LucideIcon;
  variant?: "primary" | "secondary" | "ghost" | "danger";
  /** Why it cannot be done now; shown on hover and to screen readers. */
  unavailable?: string | undefined;
  /** For screen readers, where the label says too little: "Stop w1". */
  name?: string;
  /** Asked before; null or absent for what can be taken back. Called when the button is pressed. */
  confirm?: Question | null;
  /** The same from a shell. */
  command?: string;
  run: () => Promise<Result>;
  /** What the toast says; nothing when it is null. */
  done: ((result: Result) => string | null) | string;
  onDone?: (result: Result) => void;
}

/** An action whose outcome is only the toast, so that it can stand in a list with others. */
export type AnyAct = Omit<Act<unknown>, "done" | "onDone" | "run"> & {
  /** Does it, and returns what the toast says. */
  carryOut: () => Promise<string | null>;
};

/** Makes an action one of a list. */
export function listed<Result>({ run, done, onDone, ...rest }: Act<Result>): AnyAct {
  return {
    ...rest,
    carryOut: async () => {
      const result = await run();
      onDone?.(result);
      return typeof done === "function" ? done(result) : done;
    },
  };
}

/**
 * Carries out one of some actions at a time: asks before, says what came of it, and keeps what was refused until the next
 * try. Actions with one scope are about one thing: while one is under way the others cannot begin.
 */
function useActs(given: AnyAct[], scope: string | undefined) {
  const own = useId();
  const away = useAway();
  const acts = away ? given.map((act) => ({ ...act, unavailable: act.unavailable ?? away })) : given;
  const mutationKey = [scope ?? own];
  const held = useIsMutating({ mutationKey }) > 0;
  // As it was when it was pressed: what is confirmed is what stood there then.
  const [asking, setAsking] = useState<AnyAct | null>(null);
  const mutation = useMutation({
    mutationKey,
    mutationFn: (act: AnyAct) => act.carryOut(),
    onSuccess: (text) => text !== null && toast("ok", text),
  });
  return {
    acts,
    held,
    underWay: mutation.isPending ? mutation.variables : null,
    press: (act: AnyAct) => (act.confirm ? setAsking(act) : mutation.mutate(act)),
    beside: (
      <>
        {mutation.isError && (
          <Refusal what={`${mutation.variables.label} failed`} error={mutation.error} className="max-w-md" />
        )}
        {asking?.confirm && (
          <Ask
            question={asking.confirm}
            label={asking.label}
            command={asking.command}
            onClose={() => setAsking(null)}
            onConfirm={() => {
              setAsking(null);
              mutation.mutate(asking);
            }}
          />
        )}
      </>
    ),
  };
}

interface Looks {
  size?: "md" | "sm";
  scope?: string;
}

/**
 * A button that does something on a server: it acts once, says that it is under way, and what came of it. A failure stands
 * beside it until the next try; nothing is shown as done before the server said so.
 */
export function Action<Result>({ size = "sm", scope, ...act }: Act<Result> & Looks) {
  return <ActButton act={listed(act)} size={size} scope={scope} />;
}

/** One action of a list as a button. */
export function ActButton({
  act: given,
  size = "sm",
  scope,
}: { act: AnyAct } & Pick<Looks, "size"> & { scope?: string | undefined }) {
  const { acts, held, underWay, press, beside } = useActs([given], scope);
  const [act = given] = acts;
  return (
    <span className="inline-flex min-w-0 flex-col gap-1">
      <Button
        size={size}
        {...(act.variant ? { variant: act.variant } : {})}
        {...(act.icon ? { icon: act.icon } : {})}
        pending={underWay !== null}
        disabled={act.unavailable !== undefined || (held && underWay === null)}
        title={act.unavailable}
        aria-label={act.name}
        onClick={() => press(act)}
      >
        {underWay ? (act.doing ?? act.label) : act.label}
      </Button>
      {beside}
    </span>
  );
}

/** The actions of a row: the first, which is needed most, as a button, and a menu of the others. */
export function RowActions({
  of,
  acts: given,
  also = [],
  scope,
}: {
  /** What the row is about, for screen readers. */
  of: string;
  acts: AnyAct[];
  /** What else stands in the menu, and changes nothing: it comes first there. */
  also?: MenuItem[];
  scope?: string;
}) {
  const { acts, held, underWay, press, beside } = useActs(given, scope);
  const [first, ...others] = acts;
  const doing = underWay && (underWay.doing ?? underWay.label);
  const inMenu = underWay !== null && underWay.label !== first?.label;
  return (
    <span className="inline-flex min-w-0 flex-col gap-1 sm:items-end">
      <span className="inline-flex items-center gap-1.5">
        {inMenu && (
          <span className="inline-flex items-center gap-1.5 text-sm text-muted">
            <LoaderCircle aria-hidden className="spin size-4 shrink-0" />
            {doing}
          </span>
        )}
        {first && (
          <Button
            size="sm"
            {...(first.variant ? { variant: first.variant } : {})}
            {...(first.icon ? { icon: first.icon } : {})}
            pending={underWay !== null && !inMenu}
            disabled={first.unavailable !== undefined || (held && (underWay === null || inMenu))}
            title={first.unavailable}
            aria-label={first.name}
            onClick={() => press(first)}
          >
            {underWay && !inMenu ? doing : first.label}
          </Button>
        )}
        {(others.length > 0 || also.length > 0) && (
          <Menu
            label={`More for ${of}`}
            icon={Ellipsis}
            items={[
              ...also,
              ...others.map((act) => ({
                label: act.confirm ? `${act.label}…` : act.label,
                ...(act.icon ? { icon: act.icon } : {}),
                ...(act.unavailable ? { note: act.unavailable } : {}),
                disabled: act.unavailable !== undefined || held,
                danger: act.variant === "danger",
                run: () => press(act),
              })),
            ]}
          />
        )}
      </span>
      {beside}
    </span>
  );
}

/** The question before an action, with the command that does the same. */
function Ask({
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
