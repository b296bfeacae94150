import type { Archive, ArchivedBan, ArchivedMember, ArchivedMessage, RoomImport } from '../chat/ports/archive.ts';
import {
  type ArchiveLine,
  archiveLine,
  type RoomLine,
  toArchivedBan,
  toArchivedMember,
  toArchivedMessage,
  toArchivedRoom,
} from './archive-line.ts';

const AT_ONCE = 200;
const BYTES_AT_ONCE = 2 * 1024 * 1024;
/** Some editors put one in front of what they save. */
const BYTE_ORDER_MARK = /^\uFEFF/;

export interface Imported {
  rooms: number;
  messages: number;
}

interface Waiting {
  readonly members: ArchivedMember[];
  readonly bans: ArchivedBan[];
  readonly messages: ArchivedMessage[];
  lines: number;
  bytes: number;
}

interface Open {
  readonly line: RoomLine;
  readonly into: RoomImport;
  waiting: Waiting;
  members: number;
  owners: number;
  bans: number;
  firstSeq: number | undefined;
  lastSeq: number;
  rev: number;
}

const nothing = (): Waiting => ({ members: [], bans: [], messages: [], lines: 0, bytes: 0 });

/**
 * Puts the rooms of an archive, given as its lines, into a store; each as a whole or not at all. Throws at the first line
 * that is wrong and the first room that exists, by the line's number: the rooms before are in, and `imported` counts them.
 */
export async function importRooms(
  archive: Archive,
  lines: AsyncIterable<string>,
  newEpoch: () => string,
  imported: Imported,
): Promise<void> {
  let open: Open | undefined;
  let number = 0;
  try {
    for await (const text of lines) {
      number += 1;
      const json = number === 1 ? text.replace(BYTE_ORDER_MARK, '') : text;
      if (json.trim() === '') continue;
      const line = parse(json);
      if (line.kind === 'room') {
        if (open) await finish(open, imported);
        open = undefined;
        open = await begin(archive, line, newEpoch());
      } else if (open === undefined) throw new Error('an archive begins with a room');
      else await take(open, line, text.length);
    }
    if (open) await finish(open, imported);
    open = undefined;
  } catch (cause) {
    await open?.into.cancel();
    const why = cause instanceof Error ? cause.message : String(cause);
    const room = open ? `room ${open.line.id}: ` : '';
    throw new Error(`line ${number}: ${room}${why}`, { cause });
  }
}

function parse(text: string): ArchiveLine {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new Error('is no JSON', { cause });
  }
  const parsed = archiveLine.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new Error(parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'it'}: ${message}`).join('; '));
}

async function begin(archive: Archive, line: RoomLine, epoch: string): Promise<Open> {
  const into = await archive.importRoom(toArchivedRoom(line), epoch);
  const counts = { members: 0, owners: 0, bans: 0, firstSeq: undefined, lastSeq: 0, rev: line.rev };
  return { line, into, waiting: nothing(), ...counts };
}

/** Members, then bans, then messages: what comes out of order would be counted wrong or lie in the wrong room. */
async function take(open: Open, line: Exclude<ArchiveLine, RoomLine>, bytes: number): Promise<void> {
  const { waiting } = open;
  if (line.kind === 'member') {
    if (open.bans > 0 || open.firstSeq !== undefined) throw new Error('a member behind bans or messages');
    if ((line.role === 'owner') !== (line.user === open.line.owner)) {
      throw new Error(`${line.user} is a member as ${line.role}, and ${open.line.owner} owns the room`);
    }
    open.members += 1;
    if (line.role === 'owner') open.owners += 1;
    waiting.members.push(toArchivedMember(line));
  } else if (line.kind === 'ban') {
    if (open.firstSeq !== undefined) throw new Error('a ban behind messages');
    open.bans += 1;
    waiting.bans.push(toArchivedBan(line));
  } else {
    const { firstSeq, lastSeq } = open;
    const fits = firstSeq === undefined ? line.seq >= open.line.firstSeq : line.seq === lastSeq + 1;
    if (!fits || line.seq > open.line.headSeq) throw new Error(`message ${line.seq} does not follow ${lastSeq}`);
    open.firstSeq ??= line.seq;
    open.lastSeq = line.seq;
    open.rev = Math.max(open.rev, line.rev ?? 0);
    waiting.messages.push(toArchivedMessage(line));
  }
  waiting.lines += 1;
  waiting.bytes += bytes;
  if (waiting.lines >= AT_ONCE || waiting.bytes >= BYTES_AT_ONCE) await flush(open);
}

async function flush(open: Open): Promise<void> {
  const { members, bans, messages } = open.waiting;
  open.waiting = nothing();
  if (members.length > 0) await open.into.addMembers(members);
  if (bans.length > 0) await open.into.addBans(bans);
  if (messages.length > 0) await open.into.addMessages(messages);
}

async function finish(open: Open, imported: Imported): Promise<void> {
  const { line, members, owners, bans, firstSeq, lastSeq, rev } = open;
  await flush(open);
  const isWhole = firstSeq === undefined ? line.firstSeq === line.headSeq + 1 : lastSeq === line.headSeq;
  if (!isWhole || members !== line.members || bans !== line.bans) {
    throw new Error('the archive ends before all of the room has come; it was cut off');
  }
  if (members > 0 && owners !== 1) throw new Error(`its owner ${line.owner} is no member`);
  await open.into.finish({ firstSeq: firstSeq ?? line.firstSeq, rev, count: members });
  imported.rooms += 1;
  imported.messages += firstSeq === undefined ? 0 : lastSeq - firstSeq + 1;
}
