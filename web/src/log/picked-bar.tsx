import { Check, Copy, Link2 } from "lucide-react";
import { useState } from "react";
import { count } from "../lib/format.ts";
import { Button } from "../ui/button.tsx";
import { CopyButton, copyText } from "../ui/copy.tsx";
import { announce, toastError } from "../ui/toast.tsx";
import { linesBetween } from "./between.ts";
import type { Picked } from "./picked.ts";
import type { LogSource } from "./source.ts";
import { plain } from "./text.ts";
import { indexOf, type LogWindow } from "./window.ts";

interface Props {
  source: LogSource;
  window: LogWindow;
  picked: Picked;
  link: string | undefined;
  onClear: () => void;
}

/** The lines that are picked: how many, as text and as an address. */
export function PickedBar({ source, window, picked, link, onClear }: Props) {
  const { lines } = window;
  const held = lines.slice(indexOf(lines, picked.from), indexOf(lines, picked.to + 1));
  const all =
    (window.older === null || (lines[0]?.pos ?? 0) <= picked.from) &&
    (window.newer === null || (lines.at(-1)?.pos ?? 0) >= picked.to);
  return (
    <div className="flex flex-wrap items-center gap-2 border-b border-line bg-sunken px-3 py-1 text-sm">
      <Link2 aria-hidden className="size-4 text-muted" />
      <span className="flex-1">
        {all ? `${count(held.length, "line")} picked` : `More than ${count(held.length, "line")} picked`}
      </span>
      <span className="flex items-center">
        Text{" "}
        {all ? (
          <CopyButton text={held.map((l) => plain(l.text)).join("\n")} label="Copy the lines picked" />
        ) : (
          <CopyMany source={source} picked={picked} />
        )}
      </span>
      {link && (
        <span className="flex items-center">
          Link <CopyButton text={link} label="Copy a link to these lines" />
        </span>
      )}
      <Button size="sm" variant="ghost" onClick={onClear}>
        Clear
      </Button>
    </div>
  );
}

/** Copies lines that the page does not hold: they are fetched first. */
function CopyMany({ source, picked }: { source: LogSource; picked: Picked }) {
  const [state, setState] = useState<"idle" | "busy" | "done">("idle");
  const copy = async () => {
    setState("busy");
    try {
      const { lines, whole } = await linesBetween(source, picked);
      const done = await copyText(lines.map((l) => plain(l.text)).join("\n"));
      announce(done ? "Copied" : "Could not copy; select the text instead");
      setState(done ? "done" : "idle");
      if (!whole) toastError(`Only the first ${count(lines.length, "line")} were copied`, "Download the log for more");
    } catch (cause) {
      setState("idle");
      toastError("The lines could not be fetched", cause);
    }
  };
  return (
    <Button
      size="sm"
      variant="ghost"
      icon={state === "done" ? Check : Copy}
      pending={state === "busy"}
      aria-label="Copy the lines picked"
      onClick={() => void copy()}
    />
  );
}
