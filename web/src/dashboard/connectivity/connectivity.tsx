import { useQuery } from "@tanstack/react-query";
import { Network } from "lucide-react";
import { Awaited, Empty, Panel } from "../../ui/panel.tsx";
import { lookOf, StateBadge } from "../../ui/state.tsx";
import { Ago } from "../../ui/time.tsx";
import { connectivityQuery } from "../queries.ts";
import { Doctor } from "./doctor.tsx";
import { Samples } from "./samples.tsx";
import { Timeline } from "./timeline.tsx";
import { probeText, spells, verdictText } from "./verdicts.ts";

/** What the host reaches now, how that was, and what is in the way. */
export function ConnectivityView({ frozen }: { frozen: boolean }) {
  const network = useQuery(connectivityQuery);
  const history = network.data?.history ?? [];
  const now = network.data?.current ?? history.at(-1) ?? null;
  return (
    <div className="space-y-4">
      <h1 className="sr-only">Connectivity</h1>
      <Panel
        title="Now"
        aside={
          now && (
            <span className="text-sm text-muted">
              looked <Ago at={now.ts} />
            </span>
          )
        }
      >
        {network.data === undefined ? (
          <Awaited query={network} what="The history could not be loaded" />
        ) : now === null ? (
          <Empty icon={Network} title="Nobody has looked yet">
            The daemon looks every 20 seconds whether control planes and the internet answer. The first look appears
            here by itself.
          </Empty>
        ) : (
          <div className="grid grid-cols-1 gap-3 p-3 sm:grid-cols-2 lg:grid-cols-3">
            <Reached
              state={now.verdict}
              title={verdictText(now.verdict)}
              text={now.verdict === "online" ? "A control plane answers." : lookOf(now.verdict).label}
            />
            {(now.api ?? []).map((probe) => (
              <Reached
                key={probe.url}
                state={probe.ok ? "online" : "offline"}
                title={probe.url}
                text={probeText(probe)}
              />
            ))}
            <Reached
              state={now.internet.off ? "unknown" : now.internet.ok ? "online" : "offline"}
              title="The internet"
              text={now.internet.off ? "nobody is asked, as the owner of the host wants it" : probeText(now.internet)}
            />
          </div>
        )}
      </Panel>
      <Doctor frozen={frozen} trouble={now !== null && now.verdict !== "online"} />
      {history.length > 0 && (
        <>
          <Timeline spells={spells(history, Date.now())} />
          <Samples history={history} />
        </>
      )}
    </div>
  );
}

function Reached({ state, title, text }: { state: string; title: string; text: string }) {
  return (
    <div className="min-w-0 space-y-1 rounded-md border border-line p-2.5">
      <p className="truncate font-medium" title={title}>
        {title}
      </p>
      <p className="flex flex-wrap items-center gap-2 text-sm text-muted">
        <StateBadge
          state={state}
          {...(state === "online" ? { label: "Reached" } : state === "offline" ? { label: "Not reached" } : {})}
        />
        <span className="min-w-0">{text}</span>
      </p>
    </div>
  );
}
