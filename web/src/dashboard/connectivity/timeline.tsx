import { duration } from "../../lib/format.ts";
import { Panel } from "../../ui/panel.tsx";
import { lookOf, StateBadge } from "../../ui/state.tsx";
import { At } from "../../ui/time.tsx";
import { probeText, type Spell } from "./verdicts.ts";

// Told apart by height, besides colour.
const heights: Record<string, number> = { online: 24, "api-unreachable": 16, offline: 8 };
const shown = 20;

/** How the network was, as a strip over time, and each change of it as a line. */
export function Timeline({ spells }: { spells: Spell[] }) {
  const from = spells[0]?.from ?? 0;
  const to = spells.at(-1)?.to ?? 0;
  const span = Math.max(1, to - from);
  const total = (verdict: string) =>
    spells.filter((s) => s.verdict === verdict).reduce((ms, s) => ms + (s.to - s.from), 0);
  const online = Math.round((total("online") / span) * 1_000) / 10;
  const newest = spells.toReversed();
  return (
    <Panel
      title="Timeline"
      aside={
        <span className="text-sm text-muted tabular-nums">
          online {online} % of {duration(span)}
        </span>
      }
    >
      <div className="space-y-1 border-b border-line p-3">
        <svg
          role="img"
          aria-label={`Online ${online} % of the last ${duration(span)}, in ${spells.length} spells`}
          viewBox="0 0 1000 24"
          preserveAspectRatio="none"
          className="h-8 w-full rounded-sm bg-sunken"
        >
          {spells.map((s) => {
            const high = heights[s.verdict] ?? 4;
            return (
              <g key={s.from} className={`tone-${lookOf(s.verdict).tone} tone-text`}>
                <title>{`${lookOf(s.verdict).label}, ${duration(s.to - s.from)}`}</title>
                <rect
                  x={((s.from - from) / span) * 1_000}
                  y={24 - high}
                  width={Math.max(2, ((s.to - s.from) / span) * 1_000)}
                  height={high}
                  fill="currentColor"
                />
              </g>
            );
          })}
        </svg>
        <div className="flex justify-between text-xs text-muted">
          <At at={from} />
          <At at={to} />
        </div>
      </div>
      <ol className="divide-y divide-line">
        {newest.slice(0, shown).map((s) => (
          <li key={s.from} className="flex flex-wrap items-center gap-x-3 gap-y-1 px-3 py-2">
            <StateBadge state={s.verdict} />
            <span className="text-sm text-muted tabular-nums">
              <At at={s.from} />, for {duration(s.to - s.from)}
            </span>
            <span className="min-w-0 text-sm text-muted">{reason(s)}</span>
          </li>
        ))}
      </ol>
      {newest.length > shown && (
        <p className="border-t border-line px-3 py-2 text-sm text-muted">
          {newest.length - shown} earlier changes are left out.
        </p>
      )}
    </Panel>
  );
}

/** What was in the way at its end: the newest is what one wants to know. */
function reason(spell: Spell): string {
  if (spell.verdict === "online") return "";
  const last = spell.samples.at(-1);
  const failed = (last?.api ?? []).filter((p) => !p.ok).map((p) => `${p.url}: ${probeText(p)}`);
  if (last && !last.internet.ok && !last.internet.off) failed.push(`internet: ${probeText(last.internet)}`);
  return failed.join("; ");
}
