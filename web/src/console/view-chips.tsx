import { Link } from "@tanstack/react-router";
import { BookmarkPlus, BookmarkX } from "lucide-react";
import { useState } from "react";
import { Button } from "../ui/button.tsx";
import { TextField } from "../ui/field.tsx";
import { FormDialog } from "../ui/form-dialog.tsx";
import { Menu } from "../ui/menu.tsx";
import type { RunsSearch } from "./routes/work.ts";
import { dropView, filterOf, keepView, sameFilter, useViews, type View } from "./views.ts";

const given: View[] = [
  { name: "All", search: {} },
  { name: "Running", search: { status: "running" } },
  { name: "Failed, last day", search: { status: "failed", hours: 24 } },
];

/** Filters with a name: some that everybody needs, and those that this browser keeps. The address says which one is on. */
export function ViewChips({ search }: { search: RunsSearch }) {
  const kept = useViews();
  const [naming, setNaming] = useState(false);
  const all = [...given, ...kept];
  const known = all.some((v) => sameFilter(v.search, search));
  return (
    <div className="flex flex-wrap items-center gap-1.5">
      <nav aria-label="Views" className="contents">
        {all.map((v, i) => {
          const on = sameFilter(v.search, search);
          return (
            <Link
              // biome-ignore lint/suspicious/noArrayIndexKey: a kept view may have the name of a given one
              key={`${i} ${v.name}`}
              to="/runs"
              search={v.search}
              activeOptions={{ exact: true }}
              title={v.name}
              className={`inline-block min-h-7 max-w-48 truncate rounded-full border px-2.5 py-0.5 text-sm font-medium ${on ? "border-accent bg-accent text-on-accent" : "border-line bg-surface text-muted hover:text-text"}`}
              data-view={v.name}
            >
              {v.name}
            </Link>
          );
        })}
      </nav>
      {!known && (
        <Button size="sm" variant="ghost" icon={BookmarkPlus} onClick={() => setNaming(true)}>
          Keep this view
        </Button>
      )}
      {kept.length > 0 && (
        <Menu
          label="Forget a view"
          icon={BookmarkX}
          align="start"
          items={kept.map((v) => ({ label: `Forget ${v.name}`, run: () => dropView(v.name) }))}
        />
      )}
      {naming && <NameView search={search} onClose={() => setNaming(false)} />}
    </div>
  );
}

function NameView({ search, onClose }: { search: RunsSearch; onClose: () => void }) {
  const [name, setName] = useState("");
  const parts = Object.entries(filterOf(search)).map(([key, value]) => `${key} ${value}`);
  return (
    <FormDialog
      title="Keep this view"
      action="Keep it"
      cancel="Close"
      held={name.trim() === ""}
      onSubmit={() => {
        keepView(name, search);
        onClose();
      }}
      onClose={onClose}
    >
      <TextField
        data-autofocus
        label="Name"
        value={name}
        maxLength={40}
        hint={`Of: ${parts.join(", ")}. It is kept in this browser; a view of the same name is replaced.`}
        onChange={(e) => setName(e.target.value)}
      />
    </FormDialog>
  );
}
