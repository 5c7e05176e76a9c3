import { useMutation } from "@tanstack/react-query";
import { Stethoscope } from "lucide-react";
import { Fragment, useEffect } from "react";
import type { ConnectivityCheck } from "../../api/types.ts";
import { CopyCommand } from "../../ui/action.tsx";
import { Button } from "../../ui/button.tsx";
import { Command } from "../../ui/copy.tsx";
import { Failure, Loading, Panel } from "../../ui/panel.tsx";
import { StateIcon } from "../../ui/state.tsx";
import { Ago } from "../../ui/time.tsx";
import { examine } from "../actions.ts";
import { cli } from "../cli.ts";

interface Props {
  frozen: boolean;
  /** Something is in the way: whoever comes for that need not press the button. */
  trouble: boolean;
}

/** Looks now at everything between the host and its control planes, and says of each thing that fails what helps. */
export function Doctor({ frozen, trouble }: Props) {
  const look = useMutation({ mutationFn: examine });
  const { isIdle, mutate } = look;
  useEffect(() => {
    if (trouble && !frozen && isIdle) mutate();
  }, [trouble, frozen, isIdle, mutate]);
  const checks = look.data?.checks ?? [];
  const failed = checks.filter((c) => !c.ok && !c.skipped).length;
  return (
    <Panel
      title="What is in the way"
      aside={
        <>
          {look.data && (
            <span role="status" className="text-sm text-muted">
              {failed === 0 ? "nothing" : `${failed} of ${checks.length} checks failed`}, looked{" "}
              <Ago at={look.submittedAt} />
            </span>
          )}
          <CopyCommand command={cli("connectivity", "--check")} />
          <Button size="sm" icon={Stethoscope} pending={look.isPending} disabled={frozen} onClick={() => look.mutate()}>
            {look.isPending ? "Looking…" : look.data ? "Look again" : "Look now"}
          </Button>
        </>
      }
    >
      {look.isPending && !look.data ? (
        <Loading lines={4} label="Looking; it takes half a minute at most" />
      ) : look.isError ? (
        <Failure what="It could not be looked at" error={look.error} retry={() => look.mutate()} />
      ) : look.data === undefined ? (
        <p className="p-3 text-sm text-muted">
          Name, connection, certificate, answer, clock, credential and event stream of each control plane are tried, one
          after the other. It changes nothing and takes half a minute at most.
        </p>
      ) : checks.length === 0 ? (
        <p className="p-3 text-muted">This host has no control plane to look at.</p>
      ) : (
        <ul className="divide-y divide-line">
          {checks.map((check, i) => (
            <Fragment key={`${check.target} ${check.check} ${String(i)}`}>
              {check.target !== checks[i - 1]?.target && (
                <li className="bg-sunken px-3 py-1 font-mono text-sm">{check.target}</li>
              )}
              <Found check={check} />
            </Fragment>
          ))}
        </ul>
      )}
    </Panel>
  );
}

function Found({ check }: { check: ConnectivityCheck }) {
  const state = check.skipped ? "skipped" : check.ok ? "completed" : "failed";
  return (
    <li className="flex items-start gap-2.5 px-3 py-2" data-check={state}>
      <span className="mt-0.5">
        <StateIcon state={state} />
      </span>
      <span className="w-20 shrink-0 font-medium">{check.check}</span>
      <div className="min-w-0 flex-1 space-y-1">
        <p className={check.skipped ? "text-muted" : ""}>
          <span className="sr-only">{check.skipped ? "Not looked at: " : check.ok ? "Well: " : "Failed: "}</span>
          {check.message}
          {check.latencyMs !== undefined && check.check !== "latency" && (
            <span className="text-muted tabular-nums"> · {check.latencyMs} ms</span>
          )}
        </p>
        {check.fix && <p className="text-sm text-muted">{check.fix}</p>}
        {check.command && <Command text={check.command} />}
      </div>
    </li>
  );
}
