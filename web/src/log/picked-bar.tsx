import { Check, Copy, Link2, type LucideIcon, X } from "lucide-react";
import { useEffect, useState } from "react";
import { count } from "../lib/format.ts";
import { Button, IconButton } from "../ui/button.tsx";
import { copyAloud } from "../ui/copy.tsx";
import { copyPicked, pickedIn } from "./copy-picked.ts";
import type { Picked } from "./picked.ts";
import type { LogSource } from "./source.ts";
import type { LogWindow } from "./window.ts";

interface Props {
  source: LogSource;
  window: LogWindow;
  picked: Picked;
  link: string | undefined;
  onClear: () => void;
}

/** The lines that are picked: how many, as text and as an address. It stands below them, so that they stay where they are. */
export function PickedBar({ source, window, picked, link, onClear }: Props) {
  const { lines, whole } = pickedIn(window, picked);
  return (
    <div className="flex flex-wrap items-center gap-x-2 gap-y-1 border-t border-line bg-surface px-3 py-1.5 text-sm">
      <span className="flex-1">
        {whole ? `${count(lines.length, "line")} picked` : `More than ${count(lines.length, "line")} picked`}
      </span>
      <CopyAction
        icon={Copy}
        label="Copy the lines picked"
        shortcut="c"
        copy={() => copyPicked(source, window, picked)}
      >
        Copy
      </CopyAction>
      {link && (
        <CopyAction icon={Link2} label="Copy a link to these lines" shortcut="y" copy={() => copyAloud(link)}>
          Link
        </CopyAction>
      )}
      <IconButton icon={X} label="Let go of the lines" title="Let go of the lines (Esc)" onClick={onClear} />
    </div>
  );
}

/** A button that copies something that may have to be fetched, and says that it did. */
function CopyAction({
  icon,
  label,
  shortcut,
  copy,
  children,
}: {
  icon: LucideIcon;
  label: string;
  shortcut: string;
  copy: () => Promise<boolean>;
  children: string;
}) {
  const [state, setState] = useState<"idle" | "busy" | "done">("idle");
  useEffect(() => {
    if (state !== "done") return;
    const timer = setTimeout(() => setState("idle"), 1_600);
    return () => clearTimeout(timer);
  }, [state]);
  return (
    <Button
      size="sm"
      icon={state === "done" ? Check : icon}
      pending={state === "busy"}
      aria-label={label}
      aria-keyshortcuts={shortcut}
      title={state === "done" ? "Copied" : `${label} (${shortcut})`}
      onClick={async () => {
        setState("busy");
        setState((await copy()) ? "done" : "idle");
      }}
    >
      {children}
    </Button>
  );
}
