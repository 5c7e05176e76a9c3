import { ArrowDownToLine, ArrowUpToLine, ChevronDown, ChevronUp, Search } from "lucide-react";
import type { ReactNode } from "react";
import { IconButton } from "../ui/button.tsx";
import { FilterSelect } from "../ui/field.tsx";
import { orderPreference, timesPreference, wrapPreference } from "./choices.ts";
import type { Line } from "./source.ts";

/** What is searched for, and which lines are shown. */
export interface Choice {
  typed: string;
  regex: boolean;
  exactCase: boolean;
  /** Only lines that match. */
  only: boolean;
}

interface Props {
  label: string;
  choice: Choice;
  onChoice: (change: Partial<Choice>) => void;
  bad: boolean;
  busy: boolean;
  step: (to: "older" | "newer") => void;
  marks: [Line["mark"], string][];
  mark: Line["mark"] | undefined;
  onMark: (mark: Line["mark"] | undefined) => void;
  /** The newest line stands at the top. */
  flip: boolean;
  follow: boolean;
  toOldest: () => void;
  toNewest: () => void;
  children: ReactNode;
}

/** The search, the filters, and where to go. */
export function LogToolbar({
  label,
  choice,
  onChoice,
  bad,
  busy,
  step,
  marks,
  mark,
  onMark,
  flip,
  follow,
  toOldest,
  toNewest,
  children,
}: Props) {
  const { typed, regex, exactCase, only } = choice;
  const wrap = wrapPreference.use() === "wrap";
  const times = timesPreference.use() === "times";
  return (
    <div className="flex flex-wrap items-center gap-x-1 gap-y-1.5 border-b border-line px-3 py-2 sm:gap-2">
      <search className="flex min-w-56 flex-1 items-center gap-1 max-sm:contents">
        <label className="relative min-w-40 flex-1 max-sm:basis-full">
          <span className="sr-only">Search in {label}</span>
          <Search aria-hidden className="pointer-events-none absolute top-2.5 left-2.5 size-4 text-muted" />
          <input
            data-search
            type="search"
            className="field w-full pl-8"
            placeholder="Search all of it"
            value={typed}
            maxLength={900}
            aria-invalid={bad || undefined}
            onChange={(e) => onChoice({ typed: e.target.value })}
            onKeyDown={(e) => {
              if (e.key !== "Enter") return;
              e.preventDefault();
              step(e.shiftKey ? "newer" : "older");
            }}
          />
        </label>
        <IconButton
          icon={ChevronUp}
          label="Match further up"
          disabled={typed === "" || busy}
          onClick={() => step(flip ? "newer" : "older")}
        />
        <IconButton
          icon={ChevronDown}
          label="Match further down"
          disabled={typed === "" || busy}
          onClick={() => step(flip ? "older" : "newer")}
        />
        <Toggle label="Match case" short="Aa" on={exactCase} onChange={(on) => onChoice({ exactCase: on })} />
        <Toggle label="Regular expression" short=".*" on={regex} onChange={(on) => onChoice({ regex: on })} />
        <Toggle
          label="Only lines that match"
          short="only"
          on={only}
          onChange={(on) => onChoice({ only: on })}
          disabled={typed === ""}
        />
      </search>
      {marks.length > 0 && (
        <span className="max-sm:flex max-sm:w-24 max-sm:grow">
          <FilterSelect label="Lines" value={mark} onChange={(m) => onMark(m as Props["mark"])}>
            <option value="">All lines</option>
            {marks.map(([name, shown]) => (
              <option key={name} value={name}>
                {shown}
              </option>
            ))}
          </FilterSelect>
        </span>
      )}
      <Toggle
        label="Wrap long lines"
        short="wrap"
        on={wrap}
        onChange={(on) => wrapPreference.set(on ? "wrap" : "off")}
      />
      <Toggle
        label="Show times"
        short="times"
        on={times}
        onChange={(on) => timesPreference.set(on ? "times" : "off")}
      />
      <Toggle
        label="Newest first"
        short="newest"
        on={flip}
        onChange={(on) => orderPreference.set(on ? "newest" : "oldest")}
      />
      <span className="flex">
        <IconButton
          icon={flip ? ArrowDownToLine : ArrowUpToLine}
          label="To the beginning"
          className={flip ? "order-1" : ""}
          onClick={toOldest}
        />
        <IconButton
          icon={flip ? ArrowUpToLine : ArrowDownToLine}
          label="To the end, and follow"
          aria-pressed={follow}
          onClick={toNewest}
        />
        {children}
      </span>
    </div>
  );
}

function Toggle({
  label,
  short,
  on,
  onChange,
  disabled,
}: {
  label: string;
  short: string;
  on: boolean;
  onChange: (on: boolean) => void;
  disabled?: boolean;
}) {
  return (
    <button
      type="button"
      aria-pressed={on}
      aria-label={label}
      title={label}
      disabled={disabled}
      onClick={() => onChange(!on)}
      className="min-h-8 rounded-md border border-transparent px-1.5 font-mono text-sm text-muted hover:bg-sunken disabled:cursor-not-allowed disabled:opacity-55 aria-pressed:border-outline aria-pressed:bg-sunken aria-pressed:text-text"
    >
      {short}
    </button>
  );
}
