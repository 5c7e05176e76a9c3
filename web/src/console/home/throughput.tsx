import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { RunCounts, RunTally } from "../../api/types.ts";
import { count, instant } from "../../lib/format.ts";
import { inZone, listed, zonePreference } from "../../lib/zone.ts";
import { Awaited, Panel } from "../../ui/panel.tsx";
import { runCountsQuery } from "../queries/counts.ts";
import { allOf } from "./attention.ts";
import { barsOf, sumOf } from "./chart.ts";

export const spans = [1, 6, 24, 168] as const;
export type Span = (typeof spans)[number];
const names: Record<Span, [short: string, long: string]> = {
  1: ["1 hour", "the last hour"],
  6: ["6 hours", "the last 6 hours"],
  24: ["1 day", "the last day"],
  168: ["7 days", "the last week"],
};

const looks: Record<keyof RunTally, { word: string; colour: string; status?: string }> = {
  completed: { word: "Completed", colour: "text-ok", status: "completed" },
  failed: { word: "Failed", colour: "text-bad", status: "failed" },
  partial: { word: "Partial", colour: "text-warn", status: "partial" },
  cancelled: { word: "Cancelled", colour: "text-idle", status: "cancelled" },
  active: { word: "Under way", colour: "text-run" },
};

/** How many runs there were over time, and how many of them failed. */
export function Throughput({ hours }: { hours: Span }) {
  const counts = useQuery(runCountsQuery(hours));
  return (
    <Panel
      title="Runs over time"
      aside={
        <nav aria-label="Span of time" className="flex gap-0.5">
          {spans.map((span) => (
            <Link
              key={span}
              to="/"
              search={span === 24 ? {} : { hours: span }}
              replace
              activeOptions={{ exact: true }}
              className={`grid min-h-7 place-items-center rounded-md px-2 text-sm font-medium ${span === hours ? "bg-sunken text-text" : "text-muted hover:text-text"}`}
            >
              {names[span][0]}
            </Link>
          ))}
        </nav>
      }
    >
      {counts.data ? (
        <div className={counts.isPlaceholderData ? "opacity-70" : ""} aria-busy={counts.isFetching && !counts.data}>
          <Chart counts={counts.data} span={names[hours][1]} hours={hours} />
        </div>
      ) : (
        <Awaited query={counts} what="The runs could not be counted" />
      )}
    </Panel>
  );
}

const height = 100;
const pitch = 10;

function Chart({ counts, span, hours }: { counts: RunCounts; span: string; hours: Span }) {
  const zone = zonePreference.use();
  const steps = counts.steps ?? [];
  const from = instant(counts.from) ?? 0;
  const { axis, bars, top } = barsOf(steps, height);
  const sum = sumOf(steps);
  const ended = sum.completed + sum.partial + sum.failed;
  const at = (i: number) => from + i * counts.stepMs;
  const clock = (i: number) =>
    hours === 168 ? listed(at(i), zone).replace(/, \d\d:.*/, "") : inZone(at(i), zone, "minute");
  const marks = [0, 0.25, 0.5, 0.75, 1].map((part) => Math.round(part * steps.length));
  const late = (instant(counts.since) ?? 0) > from;
  return (
    <div className="space-y-2 p-3">
      <dl className="flex flex-wrap gap-x-5 gap-y-1" data-runs={counts.runs}>
        {(Object.keys(looks) as (keyof RunTally)[])
          .filter((kind) => sum[kind] > 0 || kind === "completed" || kind === "failed")
          .map((kind) => (
            <div key={kind} className="flex items-baseline gap-1.5">
              <dt className="flex items-baseline gap-1.5 text-sm text-muted">
                <span aria-hidden className={`inline-block size-2.5 rounded-xs bg-current ${looks[kind].colour}`} />
                {looks[kind].word}
              </dt>
              <dd className="font-semibold tabular-nums">
                {looks[kind].status ? (
                  <Link to="/runs" search={{ status: looks[kind].status, hours }} className="hover:underline">
                    {sum[kind]}
                  </Link>
                ) : (
                  sum[kind]
                )}
                {kind === "failed" && ended > 0 && sum.failed > 0 && (
                  <span className="font-normal text-muted"> ({percent(sum.failed / ended)})</span>
                )}
              </dd>
            </div>
          ))}
      </dl>
      <div className="relative">
        <svg
          role="img"
          aria-label={`Runs of ${span}: ${counts.runs}, of which ${sum.failed} failed. At most ${top} in a step.`}
          viewBox={`0 0 ${Math.max(1, steps.length) * pitch} ${height}`}
          preserveAspectRatio="none"
          className="h-36 w-full"
        >
          {bars.map((pieces, i) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a step is its place
            <g key={i} className="group">
              <title>{stepWords(steps[i], clock(i), clock(i + 1))}</title>
              <rect x={i * pitch} width={pitch} height={height} className="fill-transparent group-hover:fill-sunken" />
              {pieces.map((p) => (
                <rect
                  key={p.kind}
                  x={i * pitch + 1.5}
                  y={p.y}
                  width={pitch - 3}
                  height={p.height}
                  fill="currentColor"
                  className={looks[p.kind].colour}
                />
              ))}
            </g>
          ))}
          <line
            x2={steps.length * pitch}
            y1={axis}
            y2={axis}
            className="stroke-outline"
            vectorEffect="non-scaling-stroke"
          />
        </svg>
        <p aria-hidden className="flex justify-between text-xs text-muted tabular-nums">
          {marks.map((i) => (
            <span key={i}>{i === steps.length ? "now" : clock(i)}</span>
          ))}
        </p>
      </div>
      {late && (
        <p className="text-sm text-muted">
          Only the newest {counts.runs.toLocaleString("en")} runs are counted, those since{" "}
          {listed(instant(counts.since) ?? 0, zone)}.
        </p>
      )}
    </div>
  );
}

function stepWords(t: RunTally | undefined, from: string, to: string): string {
  const all = t ? allOf(t) : 0;
  return `${from} to ${to}: ${count(all, "run")}${t && t.failed > 0 ? `, ${t.failed} failed` : ""}`;
}

/** A part in a hundred; little is not nothing. */
function percent(part: number): string {
  if (part > 0 && part < 0.01) return "under 1 %";
  return `${Math.round(part * 100)} %`;
}
