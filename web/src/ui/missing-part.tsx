import { PackageX, RefreshCw, Unplug } from "lucide-react";
import { useCallback, useEffect, useState } from "react";
import { Button } from "./button.tsx";

// What browsers, and the code that loads parts, say of a part that did not come.
const words =
  /dynamically imported module|importing a module script failed|error loading dynamically|unable to preload css/i;

/** Whether an error means that a part of the page could not be fetched. */
export function isMissingPart(error: unknown): boolean {
  return error instanceof Error && words.test(error.message);
}

type Reason = "asking" | "replaced" | "unreachable" | "unknown";

/**
 * Why a part is missing. After an update the server has the parts of another build only, and its page names another first
 * script than this one came with.
 */
export async function whyMissing(ask: typeof fetch = fetch): Promise<Reason> {
  const own = document.querySelector('script[type="module"][src]')?.getAttribute("src");
  try {
    const answer = await ask(window.location.pathname, {
      cache: "no-store",
      credentials: "omit",
      headers: { Accept: "text/html" },
      signal: AbortSignal.timeout(5_000),
    });
    if (!answer.ok || !own) return answer.status >= 502 ? "unreachable" : "unknown";
    return (await answer.text()).includes(own) ? "unknown" : "replaced";
  } catch {
    return "unreachable";
  }
}

const texts: Record<Reason, { title: string; body: string; button: string }> = {
  asking: { title: "A part of this page is missing", body: "Finding out why.", button: "Load again" },
  replaced: {
    title: "There is a new version",
    body: "The server was updated since this tab was opened, and the part you went to is of the version before. Load the new one to go on where you are.",
    button: "Reload for the new version",
  },
  unreachable: {
    title: "The server does not answer",
    body: "This part of the page was not loaded yet, and the server could not be reached.",
    button: "Try again",
  },
  unknown: {
    title: "A part of this page could not be loaded",
    body: "The server is there and has not been updated; the connection may have been cut.",
    button: "Load again",
  },
};

/** What stands in the place of a part that could not be fetched: why, and the way out. */
export function MissingPart() {
  const [reason, setReason] = useState<Reason>("asking");
  const ask = useCallback(async () => setReason(await whyMissing()), []);
  useEffect(() => {
    void ask();
  }, [ask]);
  const { title, body, button } = texts[reason];
  const Icon = reason === "unreachable" ? Unplug : PackageX;
  return (
    <div role="alert" data-missing={reason} className="mx-auto grid max-w-lg justify-items-start gap-3 py-10">
      <span className="tone-run tint grid size-11 place-items-center rounded-full border">
        <Icon aria-hidden className="size-5" />
      </span>
      <h1 className="text-xl font-semibold">{title}</h1>
      <p className="text-muted">{body}</p>
      <Button
        variant="primary"
        icon={RefreshCw}
        disabled={reason === "asking"}
        onClick={async () => {
          // A browser's own error page would be in the way of coming back.
          const now = await whyMissing();
          setReason(now);
          if (now !== "unreachable") window.location.reload();
        }}
      >
        {button}
      </Button>
    </div>
  );
}
