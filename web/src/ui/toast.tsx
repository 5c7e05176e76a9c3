import { CircleCheck, CircleX, Info, X } from "lucide-react";
import { useEffect, useSyncExternalStore } from "react";
import { ApiError } from "../api/client.ts";
import { IconButton } from "./button.tsx";

type Kind = "ok" | "error" | "info";
interface Toast {
  id: number;
  kind: Kind;
  text: string;
  detail?: string;
}

let toasts: Toast[] = [];
let announcement = "";
let serial = 0;
const listeners = new Set<() => void>();
const changed = () => {
  for (const listener of listeners) listener();
};
const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

/** Says in a corner, and to screen readers, what came of something. */
export function toast(kind: Kind, text: string, detail?: string): void {
  toasts = [...toasts.slice(-3), { id: ++serial, kind, text, ...(detail ? { detail } : {}) }];
  changed();
}

/** Says what failed, with the reason, the fix and the number to ask about. */
export function toastError(what: string, cause: unknown): void {
  toast("error", what, describe(cause));
}

export function describe(cause: unknown): string {
  if (!(cause instanceof ApiError)) return cause instanceof Error ? cause.message : String(cause);
  return [cause.message, cause.fix, cause.requestId && `Request ${cause.requestId}`].filter(Boolean).join(". ");
}

/** Tells screen readers only. */
export function announce(text: string): void {
  announcement = announcement === text ? `${text}\u00a0` : text;
  changed();
}

function dismiss(id: number): void {
  toasts = toasts.filter((t) => t.id !== id);
  changed();
}

/** Where toasts and announcements appear; once per page. */
export function Toaster() {
  const list = useSyncExternalStore(subscribe, () => toasts);
  const spoken = useSyncExternalStore(subscribe, () => announcement);
  return (
    <>
      <div role="status" aria-live="polite" className="sr-only">
        {spoken}
      </div>
      <section
        aria-label="Notices"
        aria-live="polite"
        className="pointer-events-none fixed inset-x-3 bottom-3 z-50 flex flex-col items-end gap-2 sm:left-auto sm:w-96"
      >
        {list.map((t) => (
          <Notice key={t.id} toast={t} />
        ))}
      </section>
    </>
  );
}

const icons = { ok: CircleCheck, error: CircleX, info: Info };
const tones = { ok: "tone-ok", error: "tone-bad", info: "tone-run" };

function Notice({ toast: t }: { toast: Toast }) {
  const Icon = icons[t.kind];
  useEffect(() => {
    // What went wrong stays until it was read.
    if (t.kind === "error") return;
    const timer = setTimeout(() => dismiss(t.id), 5_000);
    return () => clearTimeout(timer);
  }, [t]);
  return (
    <div
      className={`${tones[t.kind]} pointer-events-auto flex w-full items-start gap-2.5 rounded-lg border border-line bg-surface p-3 shadow-raised`}
    >
      <Icon aria-hidden className="tone-text mt-0.5 size-4 shrink-0" />
      <div className="min-w-0 flex-1">
        <p className="font-medium">{t.text}</p>
        {t.detail && <p className="text-sm text-muted">{t.detail}</p>}
      </div>
      <IconButton icon={X} label="Dismiss" className="-my-1.5 -mr-1.5" onClick={() => dismiss(t.id)} />
    </div>
  );
}
