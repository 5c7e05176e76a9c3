interface ServerSentEvent {
  event: string;
  data: string;
  id: string;
}

/** Cuts a byte stream of server-sent events into events. Feed it the text as it arrives, cut anywhere. */
export class SseParser {
  private rest = "";
  private data: string[] = [];
  private event = "";
  private id = "";

  push(text: string): ServerSentEvent[] {
    const out: ServerSentEvent[] = [];
    this.rest += text;
    for (;;) {
      const end = /\r\n|\n|\r/.exec(this.rest);
      // A lone \r at the end may be the first half of \r\n.
      if (!end || (end[0] === "\r" && end.index === this.rest.length - 1)) return out;
      const line = this.rest.slice(0, end.index);
      this.rest = this.rest.slice(end.index + end[0].length);
      if (line === "") {
        if (this.data.length > 0) out.push({ event: this.event || "message", data: this.data.join("\n"), id: this.id });
        this.data = [];
        this.event = "";
        continue;
      }
      if (line.startsWith(":")) continue;
      const colon = line.indexOf(":");
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (field === "data") this.data.push(value);
      else if (field === "event") this.event = value;
      else if (field === "id") this.id = value;
    }
  }
}
