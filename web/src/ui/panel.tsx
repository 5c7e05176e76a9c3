import { CircleAlert, type LucideIcon, RefreshCw } from "lucide-react";
import { type ReactNode, useEffect, useId, useState } from "react";
import { ApiError } from "../api/client.ts";
import { Button } from "./button.tsx";
import { Command, Id } from "./copy.tsx";

/** A titled part of a page. */
export function Panel({
  title,
  aside,
  children,
  className = "",
}: {
  title: string;
  aside?: ReactNode;
  children: ReactNode;
  className?: string;
}) {
  const id = useId();
  return (
    <section aria-labelledby={id} className={`card min-w-0 overflow-hidden ${className}`}>
      <header className="flex min-h-11 flex-wrap items-center gap-x-3 gap-y-1 border-b border-line px-3 py-1.5">
        <h2 id={id} className="flex-1 text-base font-semibold">
          {title}
        </h2>
        {aside}
      </header>
      {children}
    </section>
  );
}

/** Nothing to show: what this is, why it is empty, and the one thing to type or press. */
export function Empty({
  icon: Icon,
  title,
  children,
  command,
  action,
}: {
  icon?: LucideIcon;
  title: string;
  children?: ReactNode;
  command?: string;
  action?: ReactNode;
}) {
  return (
    <div className="mx-auto flex max-w-xl flex-col items-center gap-3 px-4 py-10 text-center">
      {Icon && (
        <span className="grid size-11 place-items-center rounded-full bg-sunken text-muted">
          <Icon aria-hidden className="size-5" />
        </span>
      )}
      <p className="text-lg font-semibold">{title}</p>
      {children && <div className="text-muted">{children}</div>}
      {command && <Command text={command} />}
      {action}
    </div>
  );
}

/** What could not be loaded, why, and a way to try again; the rest of the page goes on. */
export function Failure({ what, error, retry }: { what: string; error: unknown; retry?: () => void }) {
  const known = error instanceof ApiError ? error : null;
  return (
    <div role="alert" className="tone-bad flex items-start gap-2.5 p-4">
      <CircleAlert aria-hidden className="tone-text mt-0.5 size-4 shrink-0" />
      <div className="min-w-0 flex-1 space-y-1">
        <p className="font-medium">{what}</p>
        <p className="text-sm text-muted">{error instanceof Error ? error.message : String(error)}</p>
        {known?.fix && <p className="text-sm text-muted">{known.fix}</p>}
        {known?.requestId && (
          <p className="flex items-center gap-1.5 text-sm text-muted">
            Request <Id id={known.requestId} what="request id" length={28} />
          </p>
        )}
      </div>
      {retry && (
        <Button size="sm" icon={RefreshCw} onClick={retry}>
          Retry
        </Button>
      )}
    </div>
  );
}

const longMs = 10_000;

/** Lines that stand in while something loads. They appear only when it takes a while; a sentence, when it takes long. */
export function Loading({ lines = 3, label = "Loading" }: { lines?: number; label?: string }) {
  const [long, setLong] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLong(true), longMs);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div role="status" aria-label={label} className="space-y-3 p-4">
      {Array.from({ length: lines }, (_, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: they are all alike
        <div key={i} className={`skeleton h-4 ${["w-11/12", "w-3/4", "w-5/6"][i % 3]}`} />
      ))}
      {long && <p className="text-sm text-muted">This takes longer than usual. The server has not answered yet.</p>}
    </div>
  );
}

interface Query {
  isError: boolean;
  error: unknown;
  refetch: () => unknown;
}

/** What stands in the place of what a query has not brought: that it loads, or why it could not and a way to try again. */
export function Awaited({ query, what, lines = 3 }: { query: Query; what: string; lines?: number }) {
  if (!query.isError) return <Loading lines={lines} />;
  return <Failure what={what} error={query.error} retry={() => void query.refetch()} />;
}

/** Name and value pairs. */
export function Facts({ items, className = "" }: { items: [string, ReactNode][]; className?: string }) {
  return (
    <dl className={`grid grid-cols-[max-content_minmax(0,1fr)] gap-x-4 gap-y-1.5 ${className}`}>
      {items.map(([name, value]) => (
        <div key={name} className="contents">
          <dt className="text-muted">{name}</dt>
          <dd className="min-w-0">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
