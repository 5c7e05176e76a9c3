// The server's half of a WebSocket, as far as a fake needs it: text frames out, everything in ignored.
import { createHash } from "node:crypto";

export function accept(req, socket) {
  const key = createHash("sha1")
    .update(`${req.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest("base64");
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key}\r\n\r\n`,
  );
  socket.on("error", () => {});
  socket.on("data", (data) => {
    if ((data[0] & 0x0f) === 8) socket.end(Buffer.from([0x88, 0]));
  });
  return (text) => {
    const body = Buffer.from(text);
    const head = body.length < 126 ? Buffer.from([0x81, body.length]) : Buffer.alloc(body.length < 65_536 ? 4 : 10);
    if (body.length >= 126 && body.length < 65_536) {
      head[0] = 0x81;
      head[1] = 126;
      head.writeUInt16BE(body.length, 2);
    } else if (body.length >= 65_536) {
      head[0] = 0x81;
      head[1] = 127;
      head.writeBigUInt64BE(BigInt(body.length), 2);
    }
    if (!socket.destroyed) socket.write(Buffer.concat([head, body]));
  };
}
