import { useQuery } from "@tanstack/react-query";
import { KeyRound } from "lucide-react";
import type { Envelope, ReleaseKeys as History, KeyRotation } from "../../api/types.ts";
import { Command, Id } from "../../ui/copy.tsx";
import { Awaited, Empty, Panel } from "../../ui/panel.tsx";
import { StateBadge } from "../../ui/state.tsx";
import { At } from "../../ui/time.tsx";
import { releaseKeysQuery } from "../queries/releases.ts";

/** A key of the history: its public half, and since when it signs. */
interface KnownKey {
  key: string;
  since: string | null;
}

/** The statement in an envelope, or null where it cannot be read. The page shows it; hosts are who check it. */
function rotationOf(envelope: Envelope): KeyRotation | null {
  try {
    const bytes = Uint8Array.from(atob(envelope.payload ?? ""), (c) => c.charCodeAt(0));
    const value = JSON.parse(new TextDecoder().decode(bytes)) as KeyRotation;
    return typeof value.to === "string" ? value : null;
  } catch {
    return null;
  }
}

/** The keys that signed, the one that signs today first. */
export function knownKeys(history: History): KnownKey[] {
  if (!history.first) return [];
  const keys: KnownKey[] = [{ key: history.first, since: null }];
  for (const envelope of history.rotations ?? []) {
    const rotation = rotationOf(envelope);
    keys.push({ key: rotation?.to ?? "a key this page cannot read", since: rotation?.createdAt ?? null });
  }
  return keys.reverse();
}

/** The key that signs releases, and those before it. */
export function ReleaseKeys() {
  const history = useQuery(releaseKeysQuery);
  const keys = history.data ? knownKeys(history.data) : null;
  return (
    <Panel title="Keys">
      {keys ? (
        keys.length > 0 ? (
          <div className="space-y-3 p-3">
            <ol aria-label="Release keys, the one in use first" className="space-y-2">
              {keys.map((k, i) => (
                <li key={k.key} className="flex flex-wrap items-center gap-x-3 gap-y-0.5">
                  <Id id={k.key} what="release key" length={28} />
                  {i === 0 ? (
                    <StateBadge state="active" label="Signs" />
                  ) : (
                    <StateBadge state="inactive" label="Replaced" />
                  )}
                  <span className="text-sm text-muted">
                    {k.since ? (
                      <>
                        since <At at={k.since} />
                      </>
                    ) : (
                      "the first one"
                    )}
                  </span>
                </li>
              ))}
            </ol>
            <p className="text-sm text-muted">
              A new key is signed by the one before it, so hosts follow by themselves. Releases of the old key have to
              be signed again.
            </p>
            <Command text="pipeweave releases keys rotate --old release.key --new next.key" />
          </div>
        ) : (
          <Empty icon={KeyRound} title="No key is set" command="pipeweave releases keys set --key release.key">
            Hosts take releases of one key only. Make one, then set its public half:
          </Empty>
        )
      ) : (
        <Awaited query={history} what="The keys could not be loaded" />
      )}
    </Panel>
  );
}
