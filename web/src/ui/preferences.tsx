import { Settings2 } from "lucide-react";
import { useState } from "react";
import { setShortcutsEnabled, useShortcutsEnabled } from "../lib/keyboard.ts";
import { setTheme, type Theme, useTheme } from "../lib/theme.ts";
import { absolute, agesPreference, localZone, zonePreference, zones } from "../lib/zone.ts";
import { IconButton } from "./button.tsx";
import { Dialog } from "./dialog.tsx";
import { CheckField, SelectField } from "./field.tsx";

/** The button and the dialog of what the reader chooses: theme, time zone, ages or times, keys. */
export function PreferencesButton() {
  const [open, setOpen] = useState(false);
  return (
    <>
      <IconButton icon={Settings2} label="Preferences" onClick={() => setOpen(true)} />
      {open && <Preferences onClose={() => setOpen(false)} />}
    </>
  );
}

function Preferences({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Preferences" onClose={onClose}>
      <div className="overflow-y-auto px-4 py-4">
        <PreferenceFields />
      </div>
    </Dialog>
  );
}

/** The choices of the reader; each holds at once. */
export function PreferenceFields() {
  const theme = useTheme();
  const zone = zonePreference.use();
  const ages = agesPreference.use();
  const shortcuts = useShortcutsEnabled();
  const [now] = useState(Date.now);
  return (
    <div className="space-y-4">
      <SelectField label="Theme" value={theme} onChange={(e) => setTheme(e.target.value as Theme)}>
        <option value="system">As the system</option>
        <option value="light">Light</option>
        <option value="dark">Dark</option>
      </SelectField>
      <SelectField
        label="Time zone"
        hint={`Every time on these pages is in this zone. Now it is ${absolute(now, zone)}.`}
        value={zone}
        onChange={(e) => zonePreference.set(e.target.value)}
      >
        <option value="local">Local ({localZone()})</option>
        {zones().map((name) => (
          <option key={name}>{name}</option>
        ))}
      </SelectField>
      <CheckField
        label="Show ages in lists"
        hint="“3 m ago” instead of the time; the exact time is on hover."
        checked={ages === "ages"}
        onChange={(e) => agesPreference.set(e.target.checked ? "ages" : "times")}
      />
      <CheckField
        label="Single-key shortcuts"
        hint="Keys such as / and ? do something outside of text fields."
        checked={shortcuts}
        onChange={(e) => setShortcutsEnabled(e.target.checked)}
      />
      <p className="text-sm text-muted">These choices stay in this browser.</p>
    </div>
  );
}
