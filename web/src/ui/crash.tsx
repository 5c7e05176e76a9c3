import { RefreshCw } from "lucide-react";
import { Component, type ReactNode } from "react";
import { Button } from "./button.tsx";
import { CopyButton } from "./copy.tsx";
import { isMissingPart, MissingPart } from "./missing-part.tsx";

/** What is shown instead of a page, or of a part of it, that failed by its own fault. */
export function Crash({ error }: { error: unknown }) {
  if (isMissingPart(error)) return <MissingPart />;
  const known = error instanceof Error ? error : new Error(String(error));
  return (
    <div className="mx-auto grid max-w-lg gap-4 py-10">
      <h1 className="text-xl font-semibold">This page has failed</h1>
      <p className="text-muted">
        That is a fault of the page, not of what it shows; nothing was changed. Loading it again usually helps.
      </p>
      <div role="alert" className="tone-bad tint flex items-start gap-2 rounded-md border p-2.5">
        <pre className="min-w-0 flex-1 font-mono text-sm whitespace-pre-wrap text-text">{known.message}</pre>
        <CopyButton text={known.stack ?? known.message} label="Copy error" />
      </div>
      <Button variant="primary" icon={RefreshCw} onClick={() => window.location.reload()}>
        Load again
      </Button>
    </div>
  );
}

/** Keeps a failing page from leaving an empty window. */
export class CrashGuard extends Component<{ children: ReactNode }, { failed: { error: unknown } | null }> {
  override state: { failed: { error: unknown } | null } = { failed: null };

  static getDerivedStateFromError(error: unknown): { failed: { error: unknown } } {
    return { failed: { error } };
  }

  override render(): ReactNode {
    const { failed } = this.state;
    if (failed === null) return this.props.children;
    return (
      <main className="px-4">
        <Crash error={failed.error} />
      </main>
    );
  }
}
