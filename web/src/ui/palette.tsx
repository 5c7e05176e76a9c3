import { CornerDownLeft, Search } from "lucide-react";
import { type KeyboardEvent, useEffect, useId, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { type Command, commandSources, matchCommands, offeredCommands } from "../lib/commands.ts";
import { IconButton } from "./button.tsx";
import { Dialog } from "./dialog.tsx";

const most = 50;
const pauseMs = 150;

let open = false;
const listeners = new Set<() => void>();
const setOpen = (next: boolean) => {
  open = next;
  for (const listener of listeners) listener();
};
const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

/** Opens the palette. */
export function PaletteButton() {
  return <IconButton icon={Search} label="Commands (Ctrl K)" onClick={() => setOpen(true)} />;
}

/** The list of everything that can be done and found here, which Ctrl K (or Command K) opens; once per page. */
export function CommandPalette({ placeholder = "Go to, do or find…" }: { placeholder?: string }) {
  const shown = useSyncExternalStore(subscribe, () => open);
  useEffect(() => {
    const onKey = (event: globalThis.KeyboardEvent) => {
      if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey)
        return;
      event.preventDefault();
      // Behind another dialog it would be out of reach.
      if (document.querySelector("dialog[open]") === null) setOpen(true);
    };
    document.addEventListener("keydown", onKey);
    return () => {
      document.removeEventListener("keydown", onKey);
      open = false;
    };
  }, []);
  return shown ? <Palette placeholder={placeholder} onClose={() => setOpen(false)} /> : null;
}

function Palette({ placeholder, onClose }: { placeholder: string; onClose: () => void }) {
  const id = useId();
  const [typed, setTyped] = useState("");
  const [at, setAt] = useState(0);
  const found = useFound(typed);
  const [offered] = useState(offeredCommands);
  const matches = useMemo(
    () => [...matchCommands(offered, typed), ...found.commands].slice(0, most),
    [offered, typed, found.commands],
  );
  const list = useRef<HTMLDivElement>(null);
  const chosen = matches[Math.min(at, matches.length - 1)];

  // biome-ignore lint/correctness/useExhaustiveDependencies: the chosen one moved
  useEffect(() => {
    list.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  }, [chosen]);

  const run = (command: Command | undefined) => {
    if (!command) return;
    onClose();
    command.run();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const last = matches.length - 1;
    if (event.key === "ArrowDown") setAt(at >= last ? 0 : at + 1);
    else if (event.key === "ArrowUp") setAt(at <= 0 ? last : Math.min(at, last) - 1);
    else if (event.key === "Enter") run(chosen);
    else return;
    event.preventDefault();
  };
  return (
    <Dialog title="Commands" kind="wide" onClose={onClose}>
      <div className="border-b border-line p-3">
        <input
          data-autofocus
          type="text"
          role="combobox"
          aria-label="Commands"
          aria-expanded
          aria-controls={`${id}-list`}
          aria-activedescendant={chosen ? `${id}-${chosen.id}` : undefined}
          aria-autocomplete="list"
          autoComplete="off"
          spellCheck={false}
          placeholder={placeholder}
          value={typed}
          onChange={(e) => {
            setTyped(e.target.value);
            setAt(0);
          }}
          onKeyDown={onKeyDown}
          className="field w-full"
        />
      </div>
      <div ref={list} id={`${id}-list`} role="listbox" aria-label="Commands" className="min-h-40 overflow-y-auto p-1.5">
        {matches.map((command, i) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are the text field's
          // biome-ignore lint/a11y/useFocusableInteractive: the focus stays in the text field, which names the chosen one
          <div
            key={command.id}
            id={`${id}-${command.id}`}
            role="option"
            aria-selected={command === chosen}
            onClick={() => run(command)}
            onMouseMove={() => setAt(i)}
            className="flex min-h-9 cursor-pointer items-center gap-3 rounded-md px-2.5 aria-selected:bg-sunken"
          >
            <span className="w-24 shrink-0 truncate text-sm text-muted">
              {command.group === matches[i - 1]?.group ? (
                <span className="sr-only">{command.group}</span>
              ) : (
                command.group
              )}
            </span>
            <span className="min-w-0 flex-1 truncate">{command.label}</span>
            {command.keys && <kbd className="font-mono text-sm text-muted">{command.keys}</kbd>}
            {command === chosen && <CornerDownLeft aria-hidden className="size-4 shrink-0 text-muted" />}
          </div>
        ))}
      </div>
      <p role="status" className="border-t border-line px-4 py-2 text-sm text-muted">
        {matches.length > 0
          ? `${matches.length}${matches.length === most ? " or more" : ""} found${found.searching ? ", still searching" : ""}`
          : found.searching
            ? "Searching"
            : "Nothing fits"}
      </p>
    </Dialog>
  );
}

/** What the searches find, a moment after the typing. One that fails finds nothing. */
function useFound(typed: string): { commands: Command[]; searching: boolean } {
  const [state, setState] = useState<{ typed: string; commands: Command[] }>({ typed: "", commands: [] });
  const wanted = typed.trim();
  useEffect(() => {
    if (wanted === "") return;
    const abort = new AbortController();
    const timer = setTimeout(async () => {
      const results = await Promise.allSettled(commandSources().map((source) => source(wanted, abort.signal)));
      if (abort.signal.aborted) return;
      setState({ typed: wanted, commands: results.flatMap((r) => (r.status === "fulfilled" ? r.value : [])) });
    }, pauseMs);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [wanted]);
  if (wanted === "") return { commands: [], searching: false };
  return { commands: state.typed === wanted ? state.commands : [], searching: state.typed !== wanted };
}
