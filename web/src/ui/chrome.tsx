import { Keyboard, Monitor, Moon, Sun } from "lucide-react";
import { type ReactNode, useState } from "react";
import {
  activeKeyNotes,
  activeShortcuts,
  setShortcutsEnabled,
  useShortcuts,
  useShortcutsEnabled,
} from "../lib/keyboard.ts";
import { setTheme, type Theme, useTheme } from "../lib/theme.ts";
import { IconButton } from "./button.tsx";
import { Dialog } from "./dialog.tsx";
import { announce } from "./toast.tsx";

const order: Theme[] = ["system", "light", "dark"];
const themeIcons = { system: Monitor, light: Sun, dark: Moon };

/** Goes round system, light and dark. */
export function ThemeButton() {
  const theme = useTheme();
  const next = order[(order.indexOf(theme) + 1) % order.length] ?? "system";
  return (
    <IconButton
      icon={themeIcons[theme]}
      label={`Theme: ${theme}. Switch to ${next}`}
      onClick={() => {
        setTheme(next);
        announce(`Theme: ${next}`);
      }}
    />
  );
}

/** The button and the ? key that list what keys do. */
export function KeyboardHelp() {
  const [open, setOpen] = useState(false);
  const enabled = useShortcutsEnabled();
  useShortcuts([{ keys: "?", label: "Show this list", run: () => setOpen(true) }]);
  const seen = new Set<string>();
  const list = open ? activeShortcuts().filter((s) => !seen.has(s.keys) && seen.add(s.keys)) : [];
  return (
    <>
      <IconButton icon={Keyboard} label="Keyboard shortcuts" className="max-sm:hidden" onClick={() => setOpen(true)} />
      {open && (
        <Dialog title="Keyboard shortcuts" onClose={() => setOpen(false)}>
          <div className="space-y-4 overflow-y-auto px-4 py-4">
            <dl className="grid grid-cols-[max-content_1fr] items-center gap-x-4 gap-y-2">
              {list.map((s) => (
                <Keys key={s.keys} keys={s.keys.split(" ")}>
                  {s.label}
                </Keys>
              ))}
              <Keys keys={["Enter"]}>Open the row that has the focus</Keys>
              <Keys keys={["Esc"]}>Close what is open</Keys>
            </dl>
            {activeKeyNotes().map((notes) => (
              <section key={notes.title} className="space-y-2 border-t border-line pt-3">
                <h3 className="font-semibold">{notes.title}</h3>
                <dl className="grid grid-cols-[max-content_1fr] items-center gap-x-4 gap-y-2">
                  {notes.keys.map(([keys, label]) => (
                    <Keys key={keys} keys={keys.split(" ")} between="or">
                      {label}
                    </Keys>
                  ))}
                </dl>
              </section>
            ))}
            <label className="flex items-center gap-2 border-t border-line pt-3">
              <input
                type="checkbox"
                checked={enabled}
                onChange={(e) => setShortcutsEnabled(e.target.checked)}
                className="size-4 accent-accent"
              />
              Single-key shortcuts are on
            </label>
          </div>
        </Dialog>
      )}
    </>
  );
}

/** A row of the help: keys that are pressed one after the other, or any of them. */
function Keys({ keys, between, children }: { keys: string[]; between?: "or"; children: ReactNode }) {
  return (
    <>
      <dt className="flex items-center gap-1">
        {keys.map((key, i) => (
          <span key={key} className="contents">
            {between && i > 0 && <span className="text-sm text-muted">{between}</span>}
            <kbd className="min-w-6 rounded-sm border border-outline bg-sunken px-1.5 text-center font-mono text-sm">
              {key}
            </kbd>
          </span>
        ))}
      </dt>
      <dd>{children}</dd>
    </>
  );
}
