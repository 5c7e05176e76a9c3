import { KeyRound } from "lucide-react";
import { CopyButton } from "./copy.tsx";

/** A secret that the server shows this once: selectable, to copy, and gone with the page. */
export function SecretOnce({ what, secret }: { what: string; secret: string }) {
  return (
    <div className="tone-warn tint space-y-1.5 rounded-md border p-3">
      <p className="flex items-center gap-2 font-medium text-text">
        <KeyRound aria-hidden className="size-4 shrink-0 text-warn" />
        {what}: shown this once. Copy it now.
      </p>
      <div className="flex items-start gap-1 rounded-md border border-line bg-surface py-1.5 pr-1 pl-2.5 text-text">
        <code data-secret className="min-w-0 flex-1 font-mono text-sm break-all select-all">
          {secret}
        </code>
        <CopyButton text={secret} label={`Copy ${what.toLowerCase()}`} />
      </div>
    </div>
  );
}
