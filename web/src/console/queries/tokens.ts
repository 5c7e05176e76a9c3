import { queryOptions } from "@tanstack/react-query";
import type { CreatedToken, CreateTokenRequest, Token, Tokens } from "../../api/types.ts";
import { type Ask, changed, client, seg } from "../server.ts";

export const tokensQuery = queryOptions({
  queryKey: ["tokens"],
  queryFn: async ({ signal }: Ask): Promise<Token[]> =>
    (await client.get<Tokens>("/api/v1/tokens", { signal })).items ?? [],
});

/** The answer is the only place that has the token. */
export async function createToken(wanted: CreateTokenRequest): Promise<CreatedToken> {
  try {
    return await client.post<CreatedToken>("/api/v1/tokens", wanted);
  } finally {
    changed(["tokens"], ["enrollments"]);
  }
}

export async function revokeToken(id: string): Promise<Token> {
  try {
    return await client.delete<Token>(`/api/v1/tokens/${seg(id)}`);
  } finally {
    changed(["tokens"], ["enrollments"]);
  }
}
