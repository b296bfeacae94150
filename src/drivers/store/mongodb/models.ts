import { type Connection, type Model, Schema } from 'mongoose';
import type {
  EntryDocument,
  ImagePartDocument,
  ReadMarkDocument,
  RevocationDocument,
  RoomDocument,
  StandingDocument,
} from './documents.ts';

export interface Models {
  readonly rooms: Model<RoomDocument>;
  readonly standings: Model<StandingDocument>;
  readonly entries: Model<EntryDocument>;
  readonly imageParts: Model<ImagePartDocument>;
  readonly readMarks: Model<ReadMarkDocument>;
  readonly revocations: Model<RevocationDocument>;
}

const { ObjectId, Mixed } = Schema.Types;

/** A field that the schema does not know can neither be written nor asked for. */
const OPTIONS = { strict: 'throw', versionKey: false, id: false, minimize: false } as const;

const text = { type: String, required: true } as const;
const number = { type: Number, required: true } as const;
const room = { type: ObjectId, required: true } as const;

const ROOM = new Schema<RoomDocument>(
  {
    id: text,
    name: text,
    nameKey: text,
    topic: { type: String },
    visibility: text,
    claim: text,
    owner: text,
    slowModeMs: number,
    count: number,
    firstSeq: number,
    head: number,
    epoch: text,
    rev: number,
    version: number,
    createdAt: text,
    turn: number,
    pending: Mixed,
    goneAt: Number,
    trimmedAt: Number,
    wanted: Number,
  },
  OPTIONS,
);

const STANDING = new Schema<StandingDocument>(
  { room, user: text, turn: number, name: String, role: String, joined: Number, joinedAt: String, ban: Mixed },
  OPTIONS,
);

const ENTRY = new Schema<EntryDocument>(
  {
    _id: text,
    room,
    seq: number,
    key: text,
    owner: text,
    ownerName: text,
    clientId: text,
    fingerprint: text,
    message: { type: String },
    createdAt: text,
    type: Number,
    inReplyTo: String,
    origin: String,
    bot: String,
    meta: String,
    changedIn: ObjectId,
    rev: Number,
    deleted: Boolean,
    command: String,
    args: String,
    deadline: Number,
    ticket: String,
    state: String,
    open: Number,
    settled: Number,
  },
  OPTIONS,
);

const IMAGE_PART = new Schema<ImagePartDocument>(
  { room, message: text, part: number, contentType: text, bytes: Buffer },
  OPTIONS,
);
const READ_MARK = new Schema<ReadMarkDocument>({ room, user: text, seq: number }, OPTIONS);
const REVOCATION = new Schema<RevocationDocument>({ _id: text, at: number }, OPTIONS);

export const defineModels = (connection: Connection): Models => ({
  rooms: connection.model<RoomDocument>('Room', ROOM, 'rooms'),
  standings: connection.model<StandingDocument>('Standing', STANDING, 'standings'),
  entries: connection.model<EntryDocument>('Entry', ENTRY, 'entries'),
  imageParts: connection.model<ImagePartDocument>('ImagePart', IMAGE_PART, 'image_parts'),
  readMarks: connection.model<ReadMarkDocument>('ReadMark', READ_MARK, 'read_marks'),
  revocations: connection.model<RevocationDocument>('Revocation', REVOCATION, 'revocations'),
});

interface Index {
  readonly key: Readonly<Record<string, 1>>;
  readonly unique?: true;
  readonly sparse?: true;
}

/**
 * The unique ones carry the promises, so none of them is sparse or partial: what they hold does not hang on how far an
 * engine of this protocol goes. All of a room's data begins with the room, by which it can be sharded.
 */
const INDEXES: { readonly [N in keyof Models]?: readonly Index[] } = {
  rooms: [
    { key: { id: 1 }, unique: true },
    { key: { claim: 1 }, unique: true },
    { key: { nameKey: 1, id: 1 } },
    { key: { visibility: 1, nameKey: 1, id: 1 } },
    { key: { owner: 1, nameKey: 1 } },
    { key: { goneAt: 1 }, sparse: true },
    { key: { trimmedAt: 1 }, sparse: true },
  ],
  standings: [
    { key: { room: 1, user: 1 }, unique: true },
    { key: { room: 1, joined: 1 } },
    { key: { user: 1, joined: 1 } },
  ],
  entries: [
    { key: { room: 1, seq: 1 }, unique: true },
    { key: { room: 1, key: 1 }, unique: true },
    { key: { changedIn: 1, rev: 1 }, sparse: true },
    { key: { open: 1 }, sparse: true },
    { key: { settled: 1 }, sparse: true },
  ],
  imageParts: [{ key: { room: 1, message: 1, part: 1 }, unique: true }],
  readMarks: [{ key: { room: 1, user: 1 }, unique: true }],
};

/** Several processes may do so at once. */
export async function buildIndexes(models: Models): Promise<void> {
  for (const [name, indexes] of Object.entries(INDEXES)) {
    const model = models[name as keyof Models];
    await model.collection.createIndexes(indexes.map((it) => ({ ...it, key: { ...it.key } })));
  }
}
