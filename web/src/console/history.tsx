import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Awaited, Panel } from "../ui/panel.tsx";
import { StateIcon } from "../ui/state.tsx";
import { Ago } from "../ui/time.tsx";
import { useMay } from "./gate.tsx";
import { historyQuery } from "./queries/audit.ts";

interface Props {
  object: string;
  /** What belongs to it, such as the request by which a host joined: its lines stand here, too. */
  also?: string[];
  /** Left out while nobody did anything: most objects are never touched by anybody. */
  quiet?: boolean;
}

/** Who did what to an object, for those who may read the audit log. */
export function History({ object, also = [], quiet = false }: Props) {
  const reads = useMay("admin");
  const lines = useQuery({ ...historyQuery([object, ...also]), enabled: reads });
  if (!reads || (quiet && !lines.data?.length)) return null;
  return (
    <Panel
      title="Who did what"
      aside={
        <Link to="/audit" search={{ object }} className="link text-sm">
          All of it
        </Link>
      }
    >
      {lines.data ? (
        lines.data.length > 0 ? (
          <ul className="divide-y divide-line">
            {lines.data.map((l) => (
              <li key={l.seq} className="flex flex-wrap items-center gap-x-2 px-3 py-2">
                <StateIcon state={l.outcome} />
                <span className="font-medium">{l.actor || "Somebody unknown"}</span>
                <code className="font-mono text-sm">{l.action}</code>
                {l.outcome !== "ok" && (
                  <span className="text-sm text-bad">
                    {l.outcome} {l.code}
                  </span>
                )}
                <Ago at={l.at} className="ml-auto text-sm text-muted" />
              </li>
            ))}
          </ul>
        ) : (
          <p className="p-3 text-muted">Nobody has changed it yet.</p>
        )
      ) : (
        <Awaited query={lines} what="The audit log could not be read" />
      )}
    </Panel>
  );
}
