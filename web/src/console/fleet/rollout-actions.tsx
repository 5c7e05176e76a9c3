import { useMutation, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { CirclePause, CirclePlay, CircleStop, RotateCcw, Undo2 } from "lucide-react";
import { useState } from "react";
import type { Rollout } from "../../api/types.ts";
import { count } from "../../lib/format.ts";
import { Action } from "../../ui/action.tsx";
import { Button } from "../../ui/button.tsx";
import { FormDialog } from "../../ui/form-dialog.tsx";
import { toast } from "../../ui/toast.tsx";
import { useMayChange } from "../gate.tsx";
import { rollBack, rollbackPlanQuery, steerRollout } from "../queries/rollouts.ts";
import { verbsOf } from "./rollout-words.ts";
import { Preview } from "./start-rollout.tsx";

/** Steers a rollout: what makes no difference in its state is left out. */
export function RolloutActions({ rollout: r }: { rollout: Rollout }) {
  const may = useMayChange();
  const [back, setBack] = useState(false);
  if (!may) return null;
  const can = verbsOf(r);
  const bad = r.counts.failed + r.counts.refused;
  return (
    <>
      {can.pause && (
        <Action
          size="md"
          label="Pause"
          doing="Pausing…"
          icon={CirclePause}
          command={`pipeweave rollouts pause ${r.id}`}
          run={() => steerRollout(r.id, "pause")}
          done="The rollout is paused; hosts that were told finish"
        />
      )}
      {can.retry && (
        <Action
          size="md"
          variant="primary"
          label={`Try ${count(bad, "host")} again`}
          doing="Resuming…"
          icon={RotateCcw}
          command={`pipeweave rollouts resume --retry ${r.id}`}
          run={() => steerRollout(r.id, "resume", { retry: true })}
          done="Those that failed are tried again"
        />
      )}
      {can.resume && (
        <Action
          size="md"
          label={bad > 0 ? "Go on without them" : "Resume"}
          doing="Resuming…"
          icon={CirclePlay}
          command={`pipeweave rollouts resume ${r.id}`}
          confirm={
            bad > 0
              ? {
                  title: `Go on without ${count(bad, "host")}?`,
                  body: <p>They stay on the version they have, are forgiven, and count no more.</p>,
                  action: "Go on",
                }
              : null
          }
          run={() => steerRollout(r.id, "resume")}
          done="The rollout goes on"
        />
      )}
      {can.abort && (
        <Action
          size="md"
          variant="danger"
          label="Abort"
          doing="Aborting…"
          icon={CircleStop}
          command={`pipeweave rollouts abort ${r.id}`}
          confirm={{
            title: "Abort this rollout?",
            body: (
              <p>
                {r.counts.out > 0
                  ? `${count(r.counts.out, "host")} under way ${r.counts.out === 1 ? "is" : "are"} asked to stop; one that is past draining finishes. `
                  : ""}
                {r.counts.succeeded > 0 ? `${count(r.counts.succeeded, "host")} keep the new version. ` : ""}
                There is no way to take it up again.
              </p>
            ),
            action: "Abort the rollout",
            danger: true,
          }}
          run={() => steerRollout(r.id, "abort")}
          done={(after) =>
            after.status === "aborting" ? "It ends when every host has answered" : "The rollout is aborted"
          }
        />
      )}
      {can.rollback && (
        <Button icon={Undo2} onClick={() => setBack(true)}>
          Roll back
        </Button>
      )}
      {back && <RollBack rollout={r} onClose={() => setBack(false)} />}
    </>
  );
}

function RollBack({ rollout: r, onClose }: { rollout: Rollout; onClose: () => void }) {
  const navigate = useNavigate();
  const plan = useQuery(rollbackPlanQuery(r.id));
  const goes = r.status === "running" || r.status === "paused";
  const back = useMutation({
    mutationFn: () => rollBack(r.id),
    onSuccess: (made) => {
      toast("ok", "The way back has begun");
      void navigate({ to: "/rollouts/$id", params: { id: made.id } });
    },
  });
  return (
    <FormDialog
      wide
      title={`Roll ${r.program} ${r.version} back`}
      action="Roll back"
      doing="Starting…"
      icon={Undo2}
      pending={back.isPending}
      held={!plan.data?.targets?.length}
      onSubmit={back.mutate}
      onClose={onClose}
      refused="The way back was not begun"
      error={back.error}
      command={`pipeweave rollouts rollback ${r.id}`}
    >
      <p>
        A rollout of its own takes every host that this one changed back to where it was, the last changed first.
        {goes && " This one is aborted before."}
      </p>
      <Preview plan={plan.data} error={plan.error} retry={() => void plan.refetch()} />
    </FormDialog>
  );
}
