import { Check, Copy } from "lucide-react";
import { useEffect, useState } from "react";
import { shortId } from "../lib/format.ts";
import { announce } from "./toast.tsx";

/** Copies, also where the clipboard interface is missing because the page came over plain HTTP from another machine. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.setAttribute("readonly", "");
    area.className = "sr-only";
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

/** Copies, and says whether it did. */
export async function copyAloud(text: string): Promise<boolean> {
  const done = await copyText(text);
  announce(done ? "Copied" : "Could not copy; select the text instead");
  return done;
}

export function CopyButton({ text, label, className = "" }: { text: string; label: string; className?: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 1_600);
    return () => clearTimeout(timer);
  }, [copied]);
  const Icon = copied ? Check : Copy;
  return (
    <button
      type="button"
      aria-label={label}
      title={copied ? "Copied" : label}
      className={`inline-flex size-6 shrink-0 items-center justify-center rounded-sm hover:bg-sunken hover:text-text ${copied ? "text-ok" : "text-muted"} ${className}`}
      onClick={async () => {
        setCopied(await copyAloud(text));
      }}
    >
      <Icon aria-hidden className="size-3.5" />
    </button>
  );
}

/** An id, cut in the middle, with the whole of it to copy. */
export function Id({ id, what, length }: { id: string; what: string; length?: number }) {
  return (
    <span className="inline-flex max-w-full items-center gap-0.5">
      <code className="truncate font-mono text-sm" title={id}>
        {shortId(id, length)}
      </code>
      <CopyButton text={id} label={`Copy ${what}`} />
    </span>
  );
}

/** One command to type, with a button that copies it. */
export function Command({ text, label = "Copy command" }: { text: string; label?: string }) {
  return (
    <span className="flex w-full items-center gap-1 rounded-md border border-line bg-sunken py-1 pr-1 pl-2.5 text-left">
      <span aria-hidden className="font-mono text-sm text-muted select-none">
        $
      </span>
      <code className="min-w-0 flex-1 overflow-x-auto px-1 py-0.5 font-mono text-sm whitespace-pre-wrap">{text}</code>
      <CopyButton text={text} label={label} />
    </span>
  );
}

/** The command line that does what a form or a button does, for who asks. */
export function SameInShell({ command }: { command: string }) {
  return (
    <details>
      <summary className="text-sm text-muted">The same from a shell</summary>
      <div className="pt-1.5">
        <Command text={command} />
      </div>
    </details>
  );
}
