import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { eventually } from './eventually.ts';

/**
 * An Engine.IO client over a WebSocket made by hand: it sends whatever it is told to, answers nothing by itself, and can
 * stop reading.
 */
export interface RawEngine {
  readonly packets: string[];
  /** Text packets, as they are. */
  readonly send: (...packets: string[]) => void;
  readonly sendBinary: (bytes: Uint8Array) => void;
  /** Bytes that may be no frame at all. */
  readonly sendBytes: (bytes: Uint8Array) => void;
  readonly packet: (fits: (packet: string) => boolean) => Promise<string>;
  readonly opened: () => Promise<unknown>;
  /** Stops reading, so that the server's output piles up. */
  readonly pause: () => void;
  readonly resume: () => void;
  /** What came instead of an upgrade. */
  readonly refusal: () => Promise<string>;
  readonly isClosed: () => boolean;
  readonly closed: (withinMs?: number) => Promise<unknown>;
  readonly close: () => void;
  /** Breaks the connection off. */
  readonly destroy: () => void;
}

const PATH = '/socket.io/?EIO=4&transport=websocket';
/** Begins a session that polls; with `&sid=…`, of one. */
export const POLLING_PATH = '/socket.io/?EIO=4&transport=polling';

export function openEngine(
  port: number,
  path = PATH,
  headers: Readonly<Record<string, string>> = {},
  { answersClose = true } = {},
): RawEngine {
  const socket = connect(port, '127.0.0.1');
  const packets: string[] = [];
  let buffer: Buffer = Buffer.alloc(0);
  let upgraded = false;
  let ended = false;
  const more = Object.entries({ Host: `127.0.0.1:${port}`, ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  const key = randomBytes(16).toString('base64');
  socket.write(
    `GET ${path} HTTP/1.1\r\n${more.join('')}Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
  );
  socket.on('error', () => {});
  socket.on('close', () => {
    ended = true;
  });
  socket.on('data', (chunk: Buffer) => {
    buffer = Buffer.concat([buffer, chunk]);
    if (!upgraded) {
      const end = buffer.indexOf('\r\n\r\n');
      if (end < 0 || !buffer.subarray(0, 12).equals(Buffer.from('HTTP/1.1 101'))) return;
      upgraded = true;
      buffer = buffer.subarray(end + 4);
    }
    for (let frame = readFrame(buffer); frame; frame = readFrame(buffer)) {
      buffer = buffer.subarray(frame.end);
      if (frame.opcode === 1) packets.push(frame.payload.toString());
      if (frame.opcode === 8 && answersClose) socket.end();
    }
  });
  return {
    packets,
    send: (...all) => void socket.write(Buffer.concat(all.map((it) => frameOf(1, Buffer.from(it))))),
    sendBinary: (bytes) => void socket.write(frameOf(2, bytes)),
    sendBytes: (bytes) => void socket.write(bytes),
    packet: async (fits) => (await eventually('a packet comes', () => packets.find(fits))) ?? '',
    opened: () => eventually('the engine opens', () => packets.some((it) => it.startsWith('0{'))),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    refusal: async () => {
      await eventually('a refusal', () => ended && !upgraded);
      return buffer.toString();
    },
    isClosed: () => ended,
    closed: (withinMs) => eventually('the connection ends', () => ended, withinMs),
    close: () => void socket.end(),
    destroy: () => destroy(socket),
  };
}

/** All written bytes go out first. */
function destroy(socket: Socket): void {
  socket.write('', () => socket.destroy());
}

function readFrame(buffer: Buffer): { opcode: number; payload: Buffer; end: number } | undefined {
  if (buffer.length < 2) return undefined;
  const short = buffer.readUInt8(1) & 0x7f;
  const start = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (buffer.length < start) return undefined;
  const length = short < 126 ? short : short === 126 ? buffer.readUInt16BE(2) : Number(buffer.readBigUInt64BE(2));
  const end = start + length;
  if (buffer.length < end) return undefined;
  return { opcode: buffer.readUInt8(0) & 0x0f, payload: buffer.subarray(start, end), end };
}

/** Clients mask; a mask of zeros leaves the payload readable. */
function frameOf(opcode: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  const header = Buffer.alloc(length < 126 ? 6 : length < 65_536 ? 8 : 14);
  header.writeUInt8(0x80 | opcode, 0);
  if (length < 126) header.writeUInt8(0x80 | length, 1);
  else if (length < 65_536) {
    header.writeUInt8(0xfe, 1);
    header.writeUInt16BE(length, 2);
  } else {
    header.writeUInt8(0xff, 1);
    header.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([header, payload]);
}
