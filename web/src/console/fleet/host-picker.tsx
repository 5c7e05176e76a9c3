import { useState } from "react";
import type { Host } from "../../api/types.ts";
import { count } from "../../lib/format.ts";
import { lookOf } from "../../ui/state.tsx";

const mostRows = 100;

/** Chooses hosts, in the order of their turns; none chosen means all. */
export function HostPicker({
  hosts,
  chosen,
  onChange,
}: {
  hosts: Host[];
  chosen: string[];
  onChange: (ids: string[]) => void;
}) {
  const [text, setText] = useState("");
  const fits = hosts.filter((h) => `${h.name} ${h.label ?? ""}`.toLowerCase().includes(text.trim().toLowerCase()));
  return (
    <fieldset className="min-w-0 space-y-1.5">
      <legend className="text-sm font-medium">Hosts</legend>
      <p className="text-sm text-muted">
        {chosen.length === 0
          ? "Every host that is not on the version. Choose some, and it is about those, in the order you choose them."
          : `${count(chosen.length, "host")} chosen.`}{" "}
        {chosen.length > 0 && (
          <button type="button" className="link" onClick={() => onChange([])}>
            Choose none
          </button>
        )}
      </p>
      <div className="rounded-md border border-line">
        <input
          type="search"
          aria-label="Find a host"
          placeholder="Find a host"
          className="w-full rounded-t-md border-b border-line bg-surface px-2.5 py-1.5 placeholder:text-muted"
          value={text}
          onChange={(e) => setText(e.target.value)}
        />
        <ul className="max-h-40 overflow-y-auto py-1">
          {fits.slice(0, mostRows).map((h) => {
            const turn = chosen.indexOf(h.id);
            return (
              <li key={h.id}>
                <label className="flex min-h-7 items-center gap-2 px-2.5 hover:bg-sunken">
                  <input
                    type="checkbox"
                    className="size-4 shrink-0 accent-accent"
                    checked={turn >= 0}
                    onChange={() => onChange(turn >= 0 ? chosen.filter((id) => id !== h.id) : [...chosen, h.id])}
                  />
                  <span className="min-w-0 flex-1 truncate" title={h.name}>
                    {h.name}
                  </span>
                  <span className="shrink-0 text-sm text-muted">
                    {turn >= 0 ? `${turn + 1}.` : h.status === "online" ? "" : lookOf(h.status).label.toLowerCase()}
                  </span>
                </label>
              </li>
            );
          })}
          {fits.length === 0 && <li className="px-2.5 py-1 text-sm text-muted">No host matches.</li>}
          {fits.length > mostRows && (
            <li className="px-2.5 py-1 text-sm text-muted">{fits.length - mostRows} more; type a part of the name.</li>
          )}
        </ul>
      </div>
    </fieldset>
  );
}
