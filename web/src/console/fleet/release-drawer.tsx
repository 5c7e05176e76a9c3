import { useMutation } from "@tanstack/react-query";
import { Ban } from "lucide-react";
import { type ReactNode, useState } from "react";
import type { PublishedRelease } from "../../api/types.ts";
import { bytes, shellQuote } from "../../lib/format.ts";
import { Button } from "../../ui/button.tsx";
import { Id } from "../../ui/copy.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { CheckField, TextField } from "../../ui/field.tsx";
import { FormDialog } from "../../ui/form-dialog.tsx";
import { Facts, Panel } from "../../ui/panel.tsx";
import { StateBadge, StateIcon } from "../../ui/state.tsx";
import { TableHead } from "../../ui/table.tsx";
import { Ago, At } from "../../ui/time.tsx";
import { toast } from "../../ui/toast.tsx";
import { useMayChange } from "../gate.tsx";
import { History } from "../history.tsx";
import { yankRelease } from "../queries/releases.ts";

/** A release: what is in it, who signed and published it, and the way to take it back. */
export function ReleaseDrawer({ release: r, onClose }: { release: PublishedRelease; onClose: () => void }) {
  const may = useMayChange();
  const [yanking, setYanking] = useState(false);
  return (
    <Dialog kind="drawer" title={`${r.program} ${r.version}`} aside={<StateBadge state={r.state} />} onClose={onClose}>
      <div className="space-y-4 overflow-y-auto p-4">
        <Facts
          items={[
            ["Channel", r.channel],
            ["Sequence", String(r.sequence)],
            ["Signed by", <Id key="k" id={r.keyId} what="key id" length={40} />],
            ["Signed", <At key="c" at={r.createdAt} />],
            [
              "Published",
              r.publishedAt ? (
                <span key="p">
                  <At at={r.publishedAt} />
                  {r.publishedBy && ` by ${r.publishedBy}`}
                </span>
              ) : (
                "not yet: bytes are missing"
              ),
            ],
            ["Expires", <At key="e" at={r.expiresAt} />],
            ...(r.yankedAt
              ? ([
                  [
                    "Yanked",
                    <span key="y">
                      <Ago at={r.yankedAt} />
                      {r.yankedBy && ` by ${r.yankedBy}`}: {r.yankReason}
                    </span>,
                  ],
                ] as [string, ReactNode][])
              : []),
          ]}
        />
        {r.notes && (
          <Panel title="Notes">
            <p className="max-h-64 overflow-y-auto p-3 whitespace-pre-wrap">{r.notes}</p>
          </Panel>
        )}
        <Panel title="Artifacts">
          <table className="data stack" aria-label="Artifacts">
            <TableHead columns={["File", "For", "Size", "SHA-256"]} />
            <tbody>
              {(r.artifacts ?? []).map((a) => (
                <tr key={a.name}>
                  <td className="lead">
                    <span className="flex items-start gap-1.5">
                      <StateIcon state={a.stored ? "completed" : "pending"} className="mt-0.5 size-4" />
                      <span>
                        {a.name}
                        {!a.stored && <span className="block text-sm text-muted">its bytes are missing</span>}
                      </span>
                    </span>
                  </td>
                  <td data-label="For">
                    {a.os}/{a.arch}
                  </td>
                  <td data-label="Size">{bytes(a.size)}</td>
                  <td data-label="SHA-256">
                    <Id id={a.sha256} what="checksum" length={18} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Panel>
        <History object={`${r.program}/${r.version}`} />
        {may && r.state !== "yanked" && (
          <Button variant="danger" icon={Ban} onClick={() => setYanking(true)}>
            Yank this version
          </Button>
        )}
      </div>
      {yanking && <Yank release={r} onClose={() => setYanking(false)} />}
    </Dialog>
  );
}

function Yank({ release: r, onClose }: { release: PublishedRelease; onClose: () => void }) {
  const [reason, setReason] = useState("");
  const [every, setEvery] = useState(true);
  const [empty, setEmpty] = useState(false);
  const yank = useMutation({
    mutationFn: () =>
      yankRelease(r.program, r.version, { reason: reason.trim(), ...(every ? {} : { channel: r.channel }) }),
    onSuccess: () => {
      toast("ok", `${r.program} ${r.version} is yanked`);
      onClose();
    },
  });
  const submit = () => {
    setEmpty(reason.trim() === "");
    if (reason.trim() !== "") yank.mutate();
  };
  const words = [
    `pipeweave releases yank ${shellQuote(r.program)} ${shellQuote(r.version)}`,
    !every && `--channel ${shellQuote(r.channel)}`,
    `--reason ${shellQuote(reason.trim() || "REASON")}`,
  ].filter(Boolean);
  return (
    <FormDialog
      title={`Yank ${r.program} ${r.version}?`}
      action="Yank the version"
      icon={Ban}
      danger
      pending={yank.isPending}
      onSubmit={submit}
      onClose={onClose}
      refused="It was not yanked"
      error={yank.error}
      command={words.join(" ")}
    >
      <p>
        Nobody installs it any more. Hosts that run it go on; to take them back, roll their rollout back. There is no
        way to undo this: publish a higher version instead.
      </p>
      <TextField
        label="Reason"
        maxLength={500}
        placeholder="crashes on empty documents"
        error={empty ? "Say why, for whoever looks for the version." : undefined}
        value={reason}
        onChange={(e) => setReason(e.target.value)}
      />
      <CheckField
        label="On every channel"
        hint={`Without it only on ${r.channel}.`}
        checked={every}
        onChange={(e) => setEvery(e.target.checked)}
      />
    </FormDialog>
  );
}
