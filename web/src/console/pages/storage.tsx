import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { ChevronLeft, ChevronRight, Database, File, Folder, X } from "lucide-react";
import type { StorageObject } from "../../api/types.ts";
import { bytes, count } from "../../lib/format.ts";
import { prettyJSON } from "../../lib/json.ts";
import { Button, IconButton } from "../../ui/button.tsx";
import { CopyButton } from "../../ui/copy.tsx";
import { FilterSelect } from "../../ui/field.tsx";
import { Awaited, Empty, Failure, Panel } from "../../ui/panel.tsx";
import { TableHead } from "../../ui/table.tsx";
import { Ago } from "../../ui/time.tsx";
import { DownloadButton } from "../object-view.tsx";
import { Heading } from "../parts.tsx";
import { backendsQuery, folderQuery, partQuery } from "../queries/storage.ts";
import type { StorageSearch } from "../routes/work.ts";

const route = getRouteApi("/storage");

/** What is in the buckets: folders, and objects that can be looked at and saved. */
export function StoragePage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const backends = useQuery(backendsQuery);
  const prefix = search.prefix ?? "";
  const chosen = backends.data?.find((b) => (search.backend ? b.id === search.backend : b.isDefault));
  const set = (change: StorageSearch) =>
    void navigate({ search: (old: StorageSearch) => ({ ...old, ...change }), resetScroll: false });
  return (
    <>
      <Heading
        title="Storage"
        tab="Storage"
        below={
          chosen
            ? `${chosen.provider}, ${chosen.endpoint} ${chosen.bucket}`
            : "Inputs, outputs, logs and files of runs."
        }
      >
        {(backends.data?.length ?? 0) > 1 && (
          <FilterSelect
            label="Backend"
            value={chosen?.id}
            onChange={(backend) => void navigate({ search: backend ? { backend } : {} })}
            first
          >
            {backends.data?.map((b) => (
              <option key={b.id} value={b.id}>
                {b.id}
                {b.isDefault ? " (default)" : ""}
              </option>
            ))}
          </FilterSelect>
        )}
      </Heading>
      {backends.isError && (
        <div className="card">
          <Failure
            what="The storage backends could not be loaded"
            error={backends.error}
            retry={() => void backends.refetch()}
          />
        </div>
      )}
      <Crumbs prefix={prefix} backend={search.backend} />
      {search.object && (
        <ObjectCard
          key={search.object}
          path={search.object}
          backend={search.backend}
          from={search.at ?? 0}
          onFrom={(at) => set({ at: at > 0 ? at : undefined })}
          onClose={() => set({ object: undefined, at: undefined })}
        />
      )}
      <FolderCard prefix={prefix} backend={search.backend} selected={search.object} />
    </>
  );
}

const keep = (backend: string | undefined): StorageSearch => (backend ? { backend } : {});

function Crumbs({ prefix, backend }: { prefix: string; backend: string | undefined }) {
  const parts = prefix.split("/").filter(Boolean);
  return (
    <nav aria-label="Folders above" className="flex flex-wrap items-center gap-1 font-mono text-sm">
      <Link to="/storage" search={keep(backend)} className="link">
        all
      </Link>
      {parts.map((part, i) => {
        const to = `${parts.slice(0, i + 1).join("/")}/`;
        return (
          <span key={to} className="flex min-w-0 items-center gap-1">
            <ChevronRight aria-hidden className="size-3.5 text-muted" />
            {i === parts.length - 1 ? (
              <span aria-current="page">{part}</span>
            ) : (
              <Link to="/storage" search={{ ...keep(backend), prefix: to }} className="link">
                {part}
              </Link>
            )}
          </span>
        );
      })}
    </nav>
  );
}

function FolderCard({
  prefix,
  backend,
  selected,
}: {
  prefix: string;
  backend: string | undefined;
  selected: string | undefined;
}) {
  const folder = useInfiniteQuery(folderQuery(backend, prefix));
  if (!folder.data)
    return (
      <div className="card">
        <Awaited query={folder} what="The folder could not be listed" lines={6} />
      </div>
    );
  const folders = folder.data.pages.flatMap((p) => p.folders ?? []);
  const objects = folder.data.pages.flatMap((p) => p.objects ?? []);
  if (folders.length + objects.length === 0)
    return (
      <div className="card">
        <Empty
          icon={Database}
          title={prefix ? "Nothing is here" : "The storage is empty"}
          command="pipeweave storage ls"
        >
          {prefix ? "No object begins with this path." : "The input of the first run will be the first object."}
        </Empty>
      </div>
    );
  const name = (path: string) => path.slice(prefix.length);
  return (
    <div className="card overflow-hidden">
      <table className="data stack pairs" aria-label={`Content of ${prefix || "the storage"}`}>
        <TableHead columns={["Name", "Size", "Changed"]} actions />
        <tbody>
          {folders.map((path) => (
            <tr key={path}>
              <td colSpan={4} className="col-span-2">
                <Link
                  data-row
                  to="/storage"
                  search={{ ...keep(backend), prefix: path }}
                  className="link inline-flex max-w-full items-center gap-2 font-mono text-sm"
                >
                  <Folder aria-hidden className="size-4 shrink-0 text-muted" />
                  {name(path)}
                </Link>
              </td>
            </tr>
          ))}
          {objects.map((object) => (
            <ObjectRow
              key={object.path}
              object={object}
              name={name(object.path)}
              backend={backend}
              current={object.path === selected}
            />
          ))}
        </tbody>
      </table>
      <div className="flex items-center justify-between gap-3 border-t border-line px-3 py-2 text-sm text-muted">
        <span>
          {count(folders.length, "folder")}, {count(objects.length, "object")}
          {folder.hasNextPage && " so far"}
        </span>
        {folder.hasNextPage && (
          <Button size="sm" pending={folder.isFetchingNextPage} onClick={() => void folder.fetchNextPage()}>
            Show more
          </Button>
        )}
      </div>
      {folder.isFetchNextPageError && (
        <Failure what="No more could be listed" error={folder.error} retry={() => void folder.fetchNextPage()} />
      )}
    </div>
  );
}

function ObjectRow({
  object,
  name,
  backend,
  current,
}: {
  object: StorageObject;
  name: string;
  backend: string | undefined;
  current: boolean;
}) {
  return (
    <tr aria-current={current || undefined}>
      <td>
        <Link
          data-row
          to="/storage"
          search={(old: StorageSearch) => ({ ...old, object: object.path, at: undefined })}
          resetScroll
          className="link inline-flex max-w-full items-center gap-2 font-mono text-sm"
        >
          <File aria-hidden className="size-4 shrink-0 text-muted" />
          <span className="min-w-0">{name}</span>
        </Link>
      </td>
      <td data-label="Size" className="whitespace-nowrap tabular-nums">
        {bytes(object.size)}
      </td>
      <td data-label="Changed">
        <Ago at={object.modified} className="whitespace-nowrap" />
      </td>
      <td>
        <DownloadButton path={object.path} size={object.size} backend={backend} />
      </td>
    </tr>
  );
}

interface ObjectProps {
  path: string;
  backend: string | undefined;
  from: number;
  onFrom: (at: number) => void;
  onClose: () => void;
}

/** An object, a part at a time: a large one is never fetched whole to be looked at. */
function ObjectCard({ path, backend, from, onFrom, onClose }: ObjectProps) {
  const part = useQuery(partQuery(path, backend, from));
  const p = part.data;
  const size = p ? Math.max(1, p.to - p.from) : 1;
  const whole = p !== undefined && p.from === 0 && p.to >= p.total;
  const text = p && ((whole && prettyJSON(p.text)) || p.text);
  return (
    <Panel
      title={path.split("/").at(-1) ?? path}
      aside={
        <>
          {p && <span className="text-sm text-muted tabular-nums">{bytes(p.total)}</span>}
          <CopyButton text={path} label="Copy path" />
          <DownloadButton path={path} backend={backend} />
          <IconButton icon={X} label="Close the object" onClick={onClose} />
        </>
      }
    >
      {p ? (
        p.binary ? (
          <p className="p-4 text-muted">These are bytes, not text. Download it to look at it.</p>
        ) : (
          <section
            aria-label={`Content of ${path}`}
            // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls has to be reachable by keyboard
            tabIndex={0}
            className="max-h-[60vh] overflow-auto bg-bg p-3 -outline-offset-2"
          >
            <pre className="font-mono text-sm whitespace-pre-wrap">{text || "(empty)"}</pre>
          </section>
        )
      ) : (
        <Awaited query={part} what="The object could not be read" lines={4} />
      )}
      {p && !whole && (
        <nav
          aria-label="Parts of the object"
          className="flex items-center justify-between gap-3 border-t border-line p-2"
        >
          <Button size="sm" icon={ChevronLeft} disabled={from === 0} onClick={() => onFrom(Math.max(0, from - size))}>
            Before
          </Button>
          <span className="text-sm text-muted tabular-nums">
            bytes {p.from} to {p.to} of {p.total}
          </span>
          <Button size="sm" disabled={p.to >= p.total} onClick={() => onFrom(p.to)}>
            Next
            <ChevronRight aria-hidden className="size-4" />
          </Button>
        </nav>
      )}
    </Panel>
  );
}
