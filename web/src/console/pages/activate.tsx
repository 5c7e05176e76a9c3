import { useMutation, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import {
  Check,
  CircleCheck,
  CircleHelp,
  type LucideIcon,
  Search,
  ShieldCheck,
  TimerOff,
  TriangleAlert,
  X,
} from "lucide-react";
import { type FormEvent, type ReactNode, useState } from "react";
import { ApiError } from "../../api/client.ts";
import type { Enrollment } from "../../api/types.ts";
import { useAway } from "../../lib/away.ts";
import { instant } from "../../lib/format.ts";
import { useNow } from "../../lib/now.ts";
import { codeProblem, writeCode } from "../../lib/user-code.ts";
import { Button } from "../../ui/button.tsx";
import { Facts, Failure, Loading } from "../../ui/panel.tsx";
import { Ago, Until } from "../../ui/time.tsx";
import { toastError } from "../../ui/toast.tsx";
import { useMay, useSession } from "../gate.tsx";
import { Heading } from "../parts.tsx";
import { decide, lookupQuery } from "../queries/enrollments.ts";
import { queries } from "../server.ts";

const route = getRouteApi("/activate");

/** Where a person says whether a host may join. Nothing here decides by itself, a code in the address included. */
export function ActivatePage() {
  const { code } = route.useSearch();
  return (
    <div className="mx-auto max-w-xl space-y-4">
      <Heading title="Connect a host" tab="Connect a host" />
      {code ? <Lookup key={code} code={writeCode(code)} /> : <Entry />}
    </div>
  );
}

function Entry() {
  const navigate = route.useNavigate();
  const [code, setCode] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const submit = (e: FormEvent) => {
    e.preventDefault();
    const found = codeProblem(code);
    setProblem(found);
    if (!found) void navigate({ search: { code } });
  };
  return (
    <form className="card space-y-4 p-5" onSubmit={submit} noValidate>
      <div className="space-y-1.5">
        <label htmlFor="code" className="font-medium">
          Code from the terminal of the host
        </label>
        <input
          id="code"
          data-search
          className="field w-full py-2.5 text-center font-mono text-2xl tracking-[0.15em]"
          placeholder="XXXX-XXXX"
          autoComplete="one-time-code"
          autoCapitalize="characters"
          spellCheck={false}
          value={code}
          onChange={(e) => {
            setCode(writeCode(e.target.value));
            setProblem(null);
          }}
          aria-invalid={problem !== null || undefined}
          aria-describedby={problem ? "code-problem" : undefined}
        />
        {problem && (
          <p id="code-problem" role="alert" className="text-sm text-bad">
            {problem}
          </p>
        )}
      </div>
      <Button type="submit" variant="primary" icon={Search} className="w-full">
        Look it up
      </Button>
      <p className="text-sm text-muted">
        <code className="font-mono">pipedai-orchestrator connect --api-url {window.location.origin}</code> prints the
        code. Looking it up decides nothing yet.
      </p>
    </form>
  );
}

function Lookup({ code }: { code: string }) {
  const enrollment = useQuery(lookupQuery(code));
  if (enrollment.data) return <Decision enrollment={enrollment.data} code={code} />;
  if (!enrollment.isError) return <Loading lines={4} />;
  const status = enrollment.error instanceof ApiError ? enrollment.error.status : 0;
  if ([400, 404, 410].includes(status)) {
    return (
      <Result icon={CircleHelp} tone="warn" title="No host waits with this code">
        <p>
          <code className="font-mono font-semibold">{code}</code> is not known. It may be mistyped, have expired, or
          belong to another server.
        </p>
        <Link to="/activate" className="link">
          Enter another code
        </Link>
      </Result>
    );
  }
  return (
    <div className="card">
      <Failure
        what="The code could not be looked up"
        error={enrollment.error}
        retry={() => void enrollment.refetch()}
      />
    </div>
  );
}

function Decision({ enrollment: e, code }: { enrollment: Enrollment; code: string }) {
  const session = useSession();
  const may = useMay("admin");
  const elsewhere = Boolean(e.address && session.address && e.address !== session.address);
  const now = useNow();
  const away = useAway();
  const [mine, setMine] = useState<"approve" | "deny" | null>(null);
  const decision = useMutation({
    mutationFn: (verb: "approve" | "deny") => decide(e.id, verb),
    onSuccess: (after, verb) => {
      setMine(verb);
      queries.setQueryData(lookupQuery(code).queryKey, after);
    },
    onError: (cause) => {
      // Somebody else was faster, or the time ran out: the page says which.
      if (cause instanceof ApiError && [404, 409, 410].includes(cause.status))
        void queries.invalidateQueries({ queryKey: ["enrollment"] });
      else toastError("The decision was not taken", cause);
    },
  });
  // The news of one's own decision may come before the answer to it.
  const own = mine !== null || (decision.isPending && e.decidedBy === session.name);
  const name = e.hostname || e.label || "The host";
  const expires = instant(e.expiresAt);
  const status = e.status === "pending" && expires !== null && expires <= now ? "expired" : e.status;

  switch (status) {
    case "approved":
    case "redeemed":
      return (
        <Result
          icon={CircleCheck}
          tone="ok"
          title={status === "redeemed" ? `${name} has joined` : `${name} is approved`}
        >
          <p>
            {!own && (
              <>
                This was decided before{e.decidedBy ? ` by ${e.decidedBy}` : ""}, <Ago at={e.decidedAt} />.{" "}
              </>
            )}
            {status === "redeemed"
              ? "Its worker takes work from now on."
              : "It fetches its credentials within seconds; the terminal says when it is done."}
          </p>
          <Link to="/hosts" className="link">
            See all hosts
          </Link>
        </Result>
      );
    case "denied":
    case "revoked":
      return (
        <Result
          icon={X}
          tone="bad"
          title={status === "denied" ? `${name} was denied` : `The access of ${name} was revoked`}
        >
          <p>
            {!own && status === "denied" && (
              <>
                This was decided before{e.decidedBy ? ` by ${e.decidedBy}` : ""}, <Ago at={e.decidedAt} />.{" "}
              </>
            )}
            It got no access. To try again, connect again on the host.
          </p>
          <Link to="/activate" className="link">
            Enter another code
          </Link>
        </Result>
      );
    case "expired":
      return (
        <Result icon={TimerOff} tone="warn" title="This code has expired">
          <p>Nobody decided in time, so nothing was given. Connect again on the host; it prints a new code.</p>
          <Link to="/activate" className="link">
            Enter another code
          </Link>
        </Result>
      );
  }
  return (
    <section aria-labelledby="host" className="card overflow-hidden">
      <div className="border-b border-line bg-sunken px-5 py-6 text-center">
        <p className="text-sm text-muted">The host shows this code</p>
        <p className="mt-1 font-mono text-[2.25rem] leading-tight font-semibold tracking-[0.12em]" data-code>
          {e.userCode ?? code}
        </p>
      </div>
      <div className="space-y-4 p-5">
        <h2 id="host" className="text-lg">
          A host named <strong className="font-semibold">{name}</strong> asks to join the workspace{" "}
          <strong className="font-semibold">{e.workspaceId || session.workspaceId}</strong> and to run tasks of its
          pipelines.
        </h2>
        <Facts
          items={[
            ["Host name", e.hostname || "not given"],
            ...(e.label && e.label !== e.hostname ? ([["Label", e.label]] as [string, ReactNode][]) : []),
            ["System", [e.osVersion || e.os, e.arch].filter(Boolean).join(", ") || "not given"],
            ["Program", e.version ? `pipedai-orchestrator ${e.version}` : e.userAgent || "not given"],
            [
              "Asked from",
              <span key="a" className="font-mono text-sm">
                {e.address || "not known"}
              </span>,
            ],
            ["Asked", <Ago key="t" at={e.createdAt} />],
            ["Expires", expires ? <Until key="u" at={expires} /> : "not known"],
          ]}
        />
        {elsewhere && (
          <div data-elsewhere className="tone-bad tint flex items-start gap-2.5 rounded-md border p-3">
            <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0" />
            <p className="text-text">
              <strong className="font-semibold">It asked from another address than yours.</strong> The host is at{" "}
              <code className="font-mono">{e.address}</code>, you are at{" "}
              <code className="font-mono">{session.address}</code>. That is as it should be for a machine in another
              place; if you sit before it, deny.
            </p>
          </div>
        )}
        <div className="tone-warn tint flex items-start gap-2.5 rounded-md border p-3">
          <ShieldCheck aria-hidden className="mt-0.5 size-4 shrink-0" />
          <p className="text-text">
            <strong className="font-semibold">Is this the code in your own terminal, right now?</strong> If you did not
            start this yourself, or somebody sent you the link, deny it: the host would get the inputs of your runs.
          </p>
        </div>
        {may ? (
          <div className="grid grid-cols-1 gap-2 sm:grid-cols-2">
            <Button
              variant="primary"
              icon={Check}
              pending={decision.isPending && decision.variables === "approve"}
              disabled={away !== undefined || (decision.isPending && decision.variables !== "approve")}
              onClick={() => decision.mutate("approve")}
            >
              It is, approve
            </Button>
            <Button
              variant="danger"
              icon={X}
              pending={decision.isPending && decision.variables === "deny"}
              disabled={away !== undefined || (decision.isPending && decision.variables !== "deny")}
              onClick={() => decision.mutate("deny")}
            >
              It is not, deny
            </Button>
          </div>
        ) : (
          <p className="text-muted">Your role is {session.role}. An admin has to decide.</p>
        )}
      </div>
    </section>
  );
}

function Result({
  icon: Icon,
  tone,
  title,
  children,
}: {
  icon: LucideIcon;
  tone: string;
  title: string;
  children: ReactNode;
}) {
  return (
    <section role="status" className={`tone-${tone} card flex flex-col items-center gap-3 px-5 py-10 text-center`}>
      <span className="tint grid size-12 place-items-center rounded-full border">
        <Icon aria-hidden className="size-6" />
      </span>
      <h2 className="text-lg font-semibold">{title}</h2>
      <div className="space-y-3 text-muted">{children}</div>
    </section>
  );
}
