import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { KeyRound, Plus } from "lucide-react";
import { useState } from "react";
import type { Token } from "../../api/types.ts";
import { instant, none, shellQuote } from "../../lib/format.ts";
import { useNow } from "../../lib/now.ts";
import { Action } from "../../ui/action.tsx";
import { Button } from "../../ui/button.tsx";
import { FilterSelect, FilterText } from "../../ui/field.tsx";
import { Awaited, Empty } from "../../ui/panel.tsx";
import { StateBadge } from "../../ui/state.tsx";
import { TableHead } from "../../ui/table.tsx";
import { Ago, At } from "../../ui/time.tsx";
import { CreateToken } from "../admin/create-token.tsx";
import { kindWords, tokenState } from "../admin/token-words.ts";
import { Only } from "../gate.tsx";
import { Heading } from "../parts.tsx";
import { revokeToken, tokensQuery } from "../queries/tokens.ts";

const route = getRouteApi("/tokens");

export interface TokensSearch {
  [key: string]: unknown;
  q?: string | undefined;
  kind?: string | undefined;
  state?: string | undefined;
}

export function TokensPage() {
  return (
    <Only needs="admin" what="The list of tokens">
      <Tokens />
    </Only>
  );
}

function Tokens() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const tokens = useQuery(tokensQuery);
  const now = useNow();
  const [creating, setCreating] = useState(false);
  const set = (change: TokensSearch) =>
    void navigate({ search: (old: TokensSearch) => ({ ...old, ...change }), replace: true });
  const needle = (search.q ?? "").toLowerCase();
  const shown = (tokens.data ?? []).filter(
    (t) =>
      (!search.kind || t.kind === search.kind) &&
      (!search.state || tokenState(t, now) === search.state) &&
      [t.name, t.id, t.lastFour, t.createdBy].join(" ").toLowerCase().includes(needle),
  );
  return (
    <>
      <Heading
        title="Tokens"
        tab="Tokens"
        below="What people and programs sign in with, and what admits workers and hosts. Only hashes are kept."
      >
        <Button variant="primary" icon={Plus} onClick={() => setCreating(true)}>
          Create a token
        </Button>
      </Heading>
      <search className="flex flex-wrap gap-2">
        <FilterText label="Name, id, end…" value={search.q} onChange={(q) => set({ q })} first />
        <FilterSelect label="Kind" value={search.kind} onChange={(kind) => set({ kind })}>
          <option value="">Any kind</option>
          {Object.entries(kindWords).map(([kind, words]) => (
            <option key={kind} value={kind}>
              {words.label}
            </option>
          ))}
        </FilterSelect>
        <FilterSelect label="State" value={search.state} onChange={(state) => set({ state })}>
          <option value="">Any state</option>
          <option value="valid">Valid</option>
          <option value="used">Used</option>
          <option value="expired">Expired</option>
          <option value="revoked">Revoked</option>
        </FilterSelect>
      </search>
      <div className="card overflow-hidden">
        {tokens.data ? (
          shown.length > 0 ? (
            <TokensTable tokens={shown} />
          ) : tokens.data.length > 0 ? (
            <Empty
              icon={KeyRound}
              title="No token matches"
              action={<Button onClick={() => void navigate({ search: {} })}>Clear the filters</Button>}
            >
              There may be tokens outside this filter.
            </Empty>
          ) : (
            <Empty icon={KeyRound} title="No tokens yet" command="pipeweave tokens create ci --role operator">
              Give each person and program one of its own:
            </Empty>
          )
        ) : (
          <Awaited query={tokens} what="The tokens could not be loaded" lines={5} />
        )}
      </div>
      {creating && <CreateToken onClose={() => setCreating(false)} />}
    </>
  );
}

function TokensTable({ tokens }: { tokens: Token[] }) {
  const now = useNow();
  return (
    <table className="data stack wide" aria-label="Tokens">
      <TableHead columns={["Token", "State", "For", "Created", "Last used", "Expires"]} actions />
      <tbody>
        {tokens.map((t) => {
          const state = tokenState(t, now);
          return (
            <tr key={t.id} data-token={t.id}>
              <td className="lead">
                <span className="line-clamp-2 font-semibold">{t.name || none}</span>
                <p className="font-mono text-sm text-muted">
                  {t.kind}_{t.lastFour && `…${t.lastFour}`}
                </p>
              </td>
              <td data-label="State">
                <span>
                  <StateBadge state={state} />
                </span>
              </td>
              <td data-label="For">
                <span>
                  {t.role || kindWords[t.kind]?.label || t.kind}
                  <span className="line-clamp-1 text-sm text-muted">{t.workspaceId || "the pool"}</span>
                </span>
              </td>
              <td data-label="Created">
                <span>
                  <Ago at={t.createdAt} className="whitespace-nowrap" />
                  {t.createdBy && <span className="line-clamp-1 text-sm text-muted">by {t.createdBy}</span>}
                </span>
              </td>
              <td data-label="Last used">
                {t.lastUsedAt ? <Ago at={t.lastUsedAt} className="whitespace-nowrap" /> : "never"}
              </td>
              <td data-label="Expires">{instant(t.expiresAt) ? <At at={t.expiresAt} /> : "never"}</td>
              <td className="actions sm:text-right">
                <Link
                  to="/audit"
                  search={{ object: t.id }}
                  className="link mr-3 text-sm"
                  aria-label={`Audit of ${t.name || t.id}`}
                >
                  Audit
                </Link>
                {state === "valid" && (
                  <Action
                    label="Revoke"
                    doing="Revoking…"
                    variant="danger"
                    name={`Revoke ${t.name || t.id}`}
                    command={`pipeweave tokens revoke ${shellQuote(t.id)}`}
                    confirm={{
                      title: `Revoke ${t.name || t.id}?`,
                      body: (
                        <p>
                          It is void at once here and within 2 seconds on other replicas. What it holds open ends within
                          5 seconds. There is no way to undo this.
                        </p>
                      ),
                      action: "Revoke the token",
                      danger: true,
                    }}
                    run={() => revokeToken(t.id)}
                    done={`${t.name || t.id} is revoked`}
                  />
                )}
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
