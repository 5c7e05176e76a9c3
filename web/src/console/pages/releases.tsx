import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { Package } from "lucide-react";
import type { PublishedRelease } from "../../api/types.ts";
import { count } from "../../lib/format.ts";
import { Button } from "../../ui/button.tsx";
import { Command, Id } from "../../ui/copy.tsx";
import { FilterSelect } from "../../ui/field.tsx";
import { Awaited, Empty, Panel } from "../../ui/panel.tsx";
import { lookOf, StateBadge } from "../../ui/state.tsx";
import { TableHead } from "../../ui/table.tsx";
import { Ago, At } from "../../ui/time.tsx";
import { ReleaseDrawer } from "../fleet/release-drawer.tsx";
import { ReleaseKeys } from "../fleet/release-keys.tsx";
import { useMayChange } from "../gate.tsx";
import { Heading } from "../parts.tsx";
import { releasesQuery } from "../queries/releases.ts";

const route = getRouteApi("/releases");

export interface ReleasesSearch {
  [key: string]: unknown;
  program?: string | undefined;
  channel?: string | undefined;
  state?: string | undefined;
  /** The release that is open: program/version/channel. */
  open?: string | undefined;
}

const states = ["published", "pending", "expired", "old-key", "yanked"];
const nameOf = (r: PublishedRelease) => `${r.program}/${r.version}/${r.channel}`;

export function ReleasesPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const releases = useQuery(releasesQuery);
  const set = (change: ReleasesSearch) =>
    void navigate({ search: (old: ReleasesSearch) => ({ ...old, ...change }), replace: true });
  const all = releases.data ?? [];
  const shown = all.filter(
    (r) =>
      (!search.program || r.program === search.program) &&
      (!search.channel || r.channel === search.channel) &&
      (!search.state || r.state === search.state),
  );
  const filtered = Boolean(search.program || search.channel || search.state);
  const open = all.find((r) => nameOf(r) === search.open);
  return (
    <>
      <Heading
        title="Releases"
        tab="Releases"
        below="Versions that were signed on an operator's machine. Hosts check the signature themselves."
      >
        <FilterSelect label="Program" value={search.program} onChange={(program) => set({ program })} first>
          <option value="">Any program</option>
          {[...new Set(all.map((r) => r.program))].map((p) => (
            <option key={p}>{p}</option>
          ))}
        </FilterSelect>
        <FilterSelect label="Channel" value={search.channel} onChange={(channel) => set({ channel })}>
          <option value="">Any channel</option>
          {[...new Set(all.map((r) => r.channel))].map((c) => (
            <option key={c}>{c}</option>
          ))}
        </FilterSelect>
        <FilterSelect label="State" value={search.state} onChange={(state) => set({ state })}>
          <option value="">Any state</option>
          {states.map((s) => (
            <option key={s} value={s}>
              {lookOf(s).label}
            </option>
          ))}
        </FilterSelect>
      </Heading>
      {releases.data ? (
        shown.length > 0 ? (
          groupsOf(shown).map(([title, list]) => (
            <Panel key={title} title={title}>
              <ReleasesTable title={title} releases={list} onOpen={(r) => set({ open: nameOf(r) })} />
            </Panel>
          ))
        ) : (
          <div className="card">
            {filtered ? (
              <Empty
                icon={Package}
                title="No release matches"
                action={<Button onClick={() => void navigate({ search: {} })}>Clear the filters</Button>}
              >
                There may be releases outside this filter.
              </Empty>
            ) : (
              <Empty icon={Package} title="Nothing is published yet" command="pipeweave releases keygen release.key">
                A release is one version of one program, signed. Make the key that signs first:
              </Empty>
            )}
          </div>
        )
      ) : (
        <div className="card">
          <Awaited query={releases} what="The releases could not be loaded" lines={5} />
        </div>
      )}
      <div className="grid grid-cols-1 gap-4 lg:grid-cols-2 lg:items-start">
        <ReleaseKeys />
        <HowToPublish />
      </div>
      {open && <ReleaseDrawer release={open} onClose={() => set({ open: undefined })} />}
    </>
  );
}

/** By program and channel, in the order they come in. */
function groupsOf(releases: PublishedRelease[]): [string, PublishedRelease[]][] {
  const groups = new Map<string, PublishedRelease[]>();
  for (const r of releases) {
    const title = `${r.program} on ${r.channel}`;
    groups.set(title, [...(groups.get(title) ?? []), r]);
  }
  return [...groups];
}

function ReleasesTable({
  title,
  releases,
  onOpen,
}: {
  title: string;
  releases: PublishedRelease[];
  onOpen: (r: PublishedRelease) => void;
}) {
  const may = useMayChange();
  const newest = releases.find((r) => r.state === "published");
  return (
    <table className="data stack wide" aria-label={title}>
      <TableHead columns={["Version", "State", "Artifacts", "Signed by", "Published", "Expires"]} actions />
      <tbody>
        {releases.map((r) => {
          const stored = (r.artifacts ?? []).filter((a) => a.stored).length;
          const total = (r.artifacts ?? []).length;
          return (
            <tr key={nameOf(r)} data-release={nameOf(r)}>
              <td className="lead">
                <button data-row type="button" className="link text-left font-semibold" onClick={() => onOpen(r)}>
                  {r.version}
                </button>
                <p className="text-sm text-muted">sequence {r.sequence}</p>
              </td>
              <td data-label="State">
                <span>
                  <StateBadge state={r.state} />
                  {r === newest && <span className="block text-sm text-muted">the newest</span>}
                  {r.yankReason && (
                    <span className="line-clamp-2 max-w-56 text-sm text-muted" title={r.yankReason}>
                      {r.yankReason}
                    </span>
                  )}
                </span>
              </td>
              <td data-label="Artifacts">
                <span>
                  {stored === total ? count(total, "file") : `${stored} of ${count(total, "file")}`}
                  <span className="line-clamp-1 text-sm text-muted">
                    {[...new Set((r.artifacts ?? []).map((a) => `${a.os}/${a.arch}`))].slice(0, 3).join(", ")}
                    {total > 3 && " …"}
                  </span>
                </span>
              </td>
              <td data-label="Signed by">
                <Id id={r.keyId} what="key id" length={14} />
              </td>
              <td data-label="Published">
                <Ago at={r.publishedAt} className="whitespace-nowrap" />
              </td>
              <td data-label="Expires">
                <At at={r.expiresAt} />
              </td>
              <td className="actions sm:text-right">
                {may && r.state === "published" && (
                  <Link
                    to="/rollouts"
                    search={{ start: true, program: r.program, version: r.version }}
                    className="link text-sm whitespace-nowrap"
                    aria-label={`Roll out ${r.program} ${r.version}`}
                  >
                    Roll out
                  </Link>
                )}
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

function HowToPublish() {
  return (
    <Panel title="Publish">
      <div className="space-y-2 p-3">
        <p className="text-muted">
          Signing happens where the private key is, never here. Build, then publish the folder; run it again where it
          was cut off.
        </p>
        <Command text="make release" />
        <Command text="pipeweave releases publish dist --key release.key" />
        <p className="text-muted">From one channel to another, and for longer:</p>
        <Command text="pipeweave releases promote PROGRAM VERSION --from beta --to stable --key release.key" />
        <Command text="pipeweave releases renew --key release.key" />
      </div>
    </Panel>
  );
}
