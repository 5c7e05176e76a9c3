import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { CodeVersion } from "../../api/types.ts";
import { count, duration, instant, shortId } from "../../lib/format.ts";
import { FilterSelect } from "../../ui/field.tsx";
import { Panel } from "../../ui/panel.tsx";
import { At } from "../../ui/time.tsx";
import { queueItemsQuery } from "../queries/queue.ts";

interface Pair {
  left: number | undefined;
  right: number | undefined;
}

/**
 * Two versions of a task's code beside each other. The code itself stays with its worker: what is known of a version is its
 * hash, the version of the service that brought it, when that was, and how its runs went.
 */
export function CompareVersions({
  id,
  versions,
  pair,
  onPair,
}: {
  id: string;
  versions: CodeVersion[];
  pair: Pair;
  onPair: (pair: Pair) => void;
}) {
  const of = (n: number | undefined, otherwise: number) =>
    versions.find((v) => v.code_version === n) ?? versions[otherwise];
  const left = of(pair.left, 1);
  const right = of(pair.right, 0);
  if (!left || !right) return null;
  const sides = [left, right] as const;
  const rows: [string, (v: CodeVersion) => ReactNode, boolean][] = [
    [
      "Hash",
      (v) => (
        <code className="font-mono text-sm" title={v.code_hash}>
          {shortId(v.code_hash, 22, 8)}
        </code>
      ),
      left.code_hash !== right.code_hash,
    ],
    ["Service", (v) => v.service_version, left.service_version !== right.service_version],
    ["Since", (v) => <At at={v.recorded_at} />, true],
    ["Was the newest for", (v) => lasted(versions, v), true],
    ["Runs", (v) => <Runs id={id} version={v.code_version} />, true],
    ["Failed", (v) => <Runs id={id} version={v.code_version} status="failed" />, true],
  ];
  return (
    <Panel title="Compare two versions">
      <table className="data" aria-label="Two versions beside each other">
        <thead>
          <tr>
            <th scope="col">
              <span className="sr-only">What</span>
            </th>
            {sides.map((v, side) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: there is a left one and a right one
              <th key={side} scope="col">
                <FilterSelect
                  label={side === 0 ? "Version on the left" : "Version on the right"}
                  value={String(v.code_version)}
                  onChange={(n) =>
                    onPair(
                      side === 0
                        ? { left: Number(n), right: right.code_version }
                        : { left: left.code_version, right: Number(n) },
                    )
                  }
                >
                  {versions.map((one) => (
                    <option key={one.code_version} value={one.code_version}>
                      version {one.code_version}
                    </option>
                  ))}
                </FilterSelect>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(([name, show, differs]) => (
            <tr key={name} data-differs={differs || undefined}>
              <th scope="row">{name}</th>
              {sides.map((v, side) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: there is a left one and a right one
                <td key={side} className="wrap-anywhere">
                  {show(v)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      <p className="border-t border-line px-3 py-1.5 text-sm text-muted">
        {left.code_hash === right.code_hash ? "Both have the same code." : "The code differs."} The code itself stays
        with its worker and is not kept here.
      </p>
    </Panel>
  );
}

/** How long a version was the newest one. */
function lasted(versions: CodeVersion[], v: CodeVersion): string {
  const next = versions.find((other) => other.code_version === v.code_version + 1);
  const from = instant(v.recorded_at);
  const to = next ? instant(next.recorded_at) : null;
  if (!next) return "it is";
  return from === null || to === null ? "not known" : duration(to - from);
}

function Runs({ id, version, status }: { id: string; version: number; status?: string }) {
  const found = useQuery(queueItemsQuery({ taskId: id, codeVersion: version, status, newest: true, limit: 1 }));
  const text =
    found.data && !found.isPlaceholderData ? count(found.data.total, "run") : found.isError ? "see them" : "…";
  if (status) return text;
  return (
    <Link
      to="/tasks/$id"
      params={{ id }}
      search={(old) => ({ ...old, version, page: undefined })}
      resetScroll={false}
      className="link"
    >
      {text}
      <span className="sr-only"> of version {version}</span>
    </Link>
  );
}
