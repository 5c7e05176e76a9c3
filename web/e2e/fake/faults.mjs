// What goes wrong on purpose with the answers of a fake.
import { sendJSON } from "./static.mjs";

const page = "<!doctype html><title>502</title><h1>Bad gateway</h1><p>nginx</p>";

/**
 * The faults of a server. Each is of what is asked: an exact "GET /path", or a pattern of it. It is
 * - { status, ... }: refused so, with the rest as the body;
 * - { html: status }: answered by something in between that speaks HTML;
 * - { hold: true }: not answered before the fault ends, and then as ever;
 * - { drop: true }: cut off.
 */
export function faults() {
  const rules = [];
  return {
    /** Begins a fault; the function that comes back ends it. `hits` of that function counts whom it met. */
    set(match, fault) {
      let over;
      const rule = { match, fault, ended: new Promise((done) => (over = done)) };
      rules.unshift(rule);
      const end = () => {
        const at = rules.indexOf(rule);
        if (at >= 0) rules.splice(at, 1);
        over();
      };
      end.hits = 0;
      rule.end = end;
      return end;
    },
    /** Ends all of them. */
    clear() {
      for (const rule of [...rules]) rule.end();
    },
    /** Whether a request was dealt with. */
    async answer(req, res, url) {
      const asked = `${req.method} ${url.pathname}`;
      const rule = rules.find((r) => (typeof r.match === "string" ? r.match === asked : r.match.test(asked)));
      if (!rule) return false;
      rule.end.hits++;
      const { html, hold, drop, status, ...body } = rule.fault;
      if (hold) {
        await rule.ended;
        return res.destroyed;
      }
      if (drop) res.destroy();
      else if (html) res.writeHead(html, { "content-type": "text/html", "x-request-id": "req_proxy" }).end(page);
      else sendJSON(res, status, { error: "the disk is gone", code: "internal", requestId: "req_fault", ...body });
      return true;
    },
  };
}
