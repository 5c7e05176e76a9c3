import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { ApiError } from "../../api/client.ts";
import type { CodeVersion } from "../../api/types.ts";
import { count, shellQuote } from "../../lib/format.ts";
import { Button } from "../../ui/button.tsx";
import { Command, Id } from "../../ui/copy.tsx";
import { Awaited, Empty, Facts, Panel } from "../../ui/panel.tsx";
import { TableHead } from "../../ui/table.tsx";
import { Ago } from "../../ui/time.tsx";
import { Pages } from "../pager.tsx";
import { Heading } from "../parts.tsx";
import { queueItemsQuery } from "../queries/queue.ts";
import { historyQuery, schemaQuery, taskQuery } from "../queries/services.ts";
import type { TaskSearch } from "../routes/work.ts";
import { CompareVersions } from "../task/compare.tsx";
import { Items } from "./queue.tsx";

const route = getRouteApi("/tasks/$id");
const pageSize = 20;

/** One task: what it is, how its code changed, and which runs used which version. */
export function TaskPage() {
  const { id } = route.useParams();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const history = useQuery(historyQuery(id));
  const missing = history.error instanceof ApiError && history.error.status === 404;
  return (
    <>
      <Heading
        title={id}
        tab={id}
        above={
          <Link to="/services" className="hover:underline">
            Services
          </Link>
        }
      />
      {missing ? (
        <div className="card">
          <Empty title="There is no task with this id" command="pipeweave tasks list">
            Its service may no longer offer it. These are the ones there are:
          </Empty>
        </div>
      ) : (
        <>
          <div className="grid grid-cols-1 gap-4 lg:grid-cols-[minmax(0,1fr)_minmax(0,1fr)] lg:items-start">
            <div className="space-y-4">
              <Panel title="Code versions">
                {history.data ? (
                  <History id={id} versions={history.data} />
                ) : (
                  <Awaited query={history} what="The code versions could not be loaded" />
                )}
              </Panel>
              {history.data && history.data.length > 1 && (
                <CompareVersions
                  id={id}
                  versions={history.data}
                  pair={{ left: search.left, right: search.right }}
                  onPair={(pair) =>
                    void navigate({ search: (old: TaskSearch) => ({ ...old, ...pair }), resetScroll: false })
                  }
                />
              )}
            </div>
            <div className="space-y-4">
              <About id={id} />
              <Schema id={id} />
            </div>
          </div>
          <Runs id={id} />
        </>
      )}
    </>
  );
}

function History({ id, versions }: { id: string; versions: CodeVersion[] }) {
  const search = route.useSearch();
  const service = useQuery(taskQuery(id)).data?.serviceId;
  if (versions.length === 0) return <p className="p-4 text-muted">No version was recorded.</p>;
  return (
    <table className="data stack" aria-label={`Code versions of ${id}`}>
      <TableHead columns={["Version", "Hash", "Service", "Since", "Runs"]} />
      <tbody>
        {versions.map((v, i) => (
          <tr key={v.code_version} aria-current={search.version === v.code_version || undefined}>
            <td className="lead">
              <span className="font-medium">version {v.code_version}</span>
              {i === 0 && <span className="text-sm text-muted"> · now</span>}
            </td>
            <td data-label="Hash">
              <Id id={v.code_hash} what="code hash" length={14} />
            </td>
            <td data-label="Service">
              {service ? (
                <Link
                  to="/runs"
                  search={{ pipeline: service, version: v.service_version }}
                  className="link"
                  title={`Runs of ${service} ${v.service_version}`}
                >
                  {v.service_version}
                </Link>
              ) : (
                v.service_version
              )}
            </td>
            <td data-label="Since">
              <Ago at={v.recorded_at} className="whitespace-nowrap" />
            </td>
            <td data-label="Runs">
              <Link
                data-row
                to="/tasks/$id"
                params={{ id }}
                search={{ version: v.code_version }}
                resetScroll={false}
                className="link whitespace-nowrap"
              >
                <UsedBy id={id} version={v.code_version} />
                <span className="sr-only"> of version {v.code_version}</span>
              </Link>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** How many task runs used a version. */
function UsedBy({ id, version }: { id: string; version: number }) {
  const used = useQuery(queueItemsQuery({ taskId: id, codeVersion: version, newest: true, limit: 1 }));
  if (used.isError) return "see them";
  return used.data && !used.isPlaceholderData ? count(used.data.total, "run") : "…";
}

function Runs({ id }: { id: string }) {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const page = search.page ?? 1;
  const runs = useQuery(
    queueItemsQuery({
      taskId: id,
      codeVersion: search.version,
      newest: true,
      limit: pageSize,
      offset: (page - 1) * pageSize,
    }),
  );
  return (
    <Panel
      title={search.version ? `Runs with version ${search.version}` : "Runs, newest first"}
      aside={
        search.version ? (
          <Button size="sm" variant="ghost" onClick={() => void navigate({ search: {}, resetScroll: false })}>
            All versions
          </Button>
        ) : null
      }
    >
      {runs.data ? (
        runs.data.items.length > 0 ? (
          <>
            <Items items={runs.data.items} task={false} />
            <div className="p-2">
              <Pages
                of="runs"
                page={page}
                size={pageSize}
                total={runs.data.total}
                onPage={(to) =>
                  void navigate({
                    search: (old: TaskSearch) => ({ ...old, page: to > 1 ? to : undefined }),
                    resetScroll: false,
                  })
                }
              />
            </div>
          </>
        ) : (
          <p className="p-4 text-muted">{search.version ? "No run used this version." : "It has not run yet."}</p>
        )
      ) : (
        <Awaited query={runs} what="Its runs could not be loaded" />
      )}
    </Panel>
  );
}

function About({ id }: { id: string }) {
  const task = useQuery(taskQuery(id));
  const t = task.data;
  return (
    <Panel title="About this task">
      {t ? (
        <div className="space-y-3 p-3">
          {t.description && <p>{t.description}</p>}
          <Facts
            items={[
              ["Service", t.serviceId],
              ["Next", t.allowedNext?.length ? t.allowedNext.join(", ") : "ends here"],
              ["Retries", `${t.retries}, ${t.retryBackoff} from ${t.retryDelayMs} ms`],
              ["Timeout", `${t.timeout} s`],
              ["At a time", t.concurrency > 0 ? `${t.concurrency}` : "any number"],
              ["Priority", `${t.priority}`],
            ]}
          />
          <Command text={`pipeweave tasks history ${shellQuote(id)}`} />
        </div>
      ) : t === null ? (
        <p className="p-4 text-muted">No service offers it now.</p>
      ) : (
        <Awaited query={task} what="The task could not be loaded" />
      )}
    </Panel>
  );
}

function Schema({ id }: { id: string }) {
  const schema = useQuery(schemaQuery(id));
  return (
    <Panel title="Input">
      {schema.data ? (
        schema.data.hasSchema ? (
          <section
            aria-label={`Input schema of ${id}`}
            // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls has to be reachable by keyboard
            tabIndex={0}
            className="max-h-80 overflow-auto bg-bg p-3 -outline-offset-2"
          >
            <pre className="font-mono text-sm whitespace-pre-wrap">{JSON.stringify(schema.data.schema, null, 2)}</pre>
          </section>
        ) : (
          <p className="p-4 text-muted">It takes any input: it declares no schema.</p>
        )
      ) : (
        <Awaited query={schema} what="The input schema could not be loaded" lines={2} />
      )}
    </Panel>
  );
}
