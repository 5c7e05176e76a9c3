import { useQuery } from "@tanstack/react-query";
import { Lock, LogIn, Workflow } from "lucide-react";
import { createContext, type FormEvent, type ReactNode, useContext, useEffect, useState } from "react";
import { ApiError } from "../api/client.ts";
import type { Session } from "../api/types.ts";
import { Button } from "../ui/button.tsx";
import { ThemeButton } from "../ui/chrome.tsx";
import { useLink } from "../ui/link-banner.tsx";
import { Empty, Failure, Loading } from "../ui/panel.tsx";
import { sessionQuery } from "./queries/session.ts";
import { link, queries, token } from "./server.ts";

const SessionContext = createContext<Session | null>(null);

/** Who is signed in. Only below the Gate. */
export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) throw new Error("no session: the page is outside the gate");
  return session;
}

/** The roles of operators; each may what the ones before it may. */
const roles = ["viewer", "operator", "admin"] as const;
export type Role = (typeof roles)[number];

/** Whether the caller may what needs a role. What one may not is left out of the page; the server refuses it all the same. */
export function useMay(role: Role): boolean {
  return roles.indexOf(useSession().role as Role) >= roles.indexOf(role);
}

/** Viewers look; every change needs the role operator or admin. */
export function useMayChange(): boolean {
  return useMay("operator");
}

/** A page, or a part of one, for a role: who has less reads why there is nothing. */
export function Only({ needs, what, children }: { needs: Role; what: string; children: ReactNode }) {
  const session = useSession();
  if (useMay(needs)) return children;
  return (
    <div className="card">
      <h1 className="sr-only">{what}</h1>
      <Empty icon={Lock} title={`${what} needs the role ${needs}`}>
        Your token “{session.name}” has the role {session.role}. Sign in with another one, or ask an admin.
      </Empty>
    </div>
  );
}

/** Lets in who has a token that the server takes. The address stays what it is, so a link survives the sign-in. */
export function Gate({ children }: { children: ReactNode }) {
  const [present, setPresent] = useState(token.get() !== null);
  const { phase } = useLink(link);
  const session = useQuery({ ...sessionQuery, enabled: present });
  const refused =
    phase === "unauthorized" || (session.error instanceof ApiError && [401, 403].includes(session.error.status));
  const known = session.data !== undefined && !refused;

  useEffect(() => {
    if (known) link.start();
  }, [known]);

  if (!present || refused) {
    return (
      <SignIn
        refused={present && refused}
        onToken={(value) => {
          token.set(value);
          if (link.getState().phase === "unauthorized") link.stop();
          queries.removeQueries();
          setPresent(true);
        }}
      />
    );
  }
  if (session.data) return <SessionContext value={session.data}>{children}</SessionContext>;
  return (
    <main className="mx-auto max-w-lg px-4 py-24">
      {session.isError ? (
        <div className="card">
          <h1 className="sr-only">Pipeweave console</h1>
          <Failure
            what="The control plane does not answer"
            error={session.error}
            retry={() => void session.refetch()}
          />
        </div>
      ) : (
        <Loading label="Signing in" />
      )}
    </main>
  );
}

function SignIn({ refused, onToken }: { refused: boolean; onToken: (token: string) => void }) {
  const [value, setValue] = useState("");
  const [empty, setEmpty] = useState(false);
  useEffect(() => {
    document.title = "Sign in – Pipeweave";
  }, []);
  const submit = (e: FormEvent) => {
    e.preventDefault();
    // People paste the whole link as often as the token in it.
    const clean = /[?&]token=([^&\s]+)/.exec(value)?.[1] ?? value.trim();
    setEmpty(clean === "");
    if (clean !== "") onToken(decodeURIComponent(clean));
  };
  return (
    <main className="mx-auto grid min-h-dvh max-w-md content-center px-4 py-10">
      <div className="mb-5 flex items-center gap-2.5">
        <span className="grid size-9 place-items-center rounded-md bg-accent text-on-accent">
          <Workflow aria-hidden className="size-5" />
        </span>
        <span className="flex-1 text-lg font-semibold">Pipeweave</span>
        <ThemeButton />
      </div>
      <form className="card space-y-4 p-6" onSubmit={submit} noValidate>
        <h1 className="text-xl font-semibold">Sign in</h1>
        <div className="space-y-1.5">
          <label htmlFor="token" className="font-medium">
            Operator token
          </label>
          <input
            id="token"
            type="password"
            autoComplete="current-password"
            spellCheck={false}
            className="field w-full font-mono"
            placeholder="pwk_…"
            value={value}
            onChange={(e) => setValue(e.target.value)}
            aria-invalid={refused || empty || undefined}
            aria-describedby={refused || empty ? "token-problem" : undefined}
          />
          {(refused || empty) && (
            <p id="token-problem" role="alert" className="text-sm text-bad">
              {empty
                ? "Paste a token first."
                : "The control plane does not take this token. It may have been revoked, or belong to another server."}
            </p>
          )}
        </div>
        <Button type="submit" variant="primary" icon={LogIn} className="w-full">
          Sign in
        </Button>
        <div className="space-y-2 border-t border-line pt-4 text-sm text-muted">
          <p>
            <code className="font-mono text-text">pipeweave serve</code> prints a link that signs in by itself. The
            token of the first admin is also in the file <code className="font-mono text-text">admin.token</code> of its
            state folder, by default:
          </p>
          <code className="block rounded-md border border-line bg-sunken px-2.5 py-1.5 font-mono text-text">
            ~/.local/state/pipeweave/admin.token
          </code>
          <p>The token stays in this tab and ends with it.</p>
        </div>
      </form>
    </main>
  );
}
