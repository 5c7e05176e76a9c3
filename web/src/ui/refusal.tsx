import { CircleAlert } from "lucide-react";
import { ApiError } from "../api/client.ts";
import { Id } from "./copy.tsx";

/** That something which was asked for did not happen: what, why, what helps, and the number to ask about. */
export function Refusal({ what, error, className = "" }: { what: string; error: unknown; className?: string }) {
  const known = error instanceof ApiError ? error : null;
  const why = error instanceof Error ? error.message : String(error);
  return (
    <div role="alert" className={`flex items-start gap-1.5 text-left text-sm whitespace-normal text-bad ${className}`}>
      <CircleAlert aria-hidden className="mt-0.5 size-4 shrink-0" />
      <p className="min-w-0">
        <strong className="font-semibold">{what}.</strong> {[why, known?.fix].filter(Boolean).join(". ")}
        {known?.requestId && (
          <>
            {". Request "}
            <Id id={known.requestId} what="request id" length={28} />
          </>
        )}
      </p>
    </div>
  );
}
