import { randomBytes } from 'node:crypto';

/** For a room whose log begins anew: no earlier epoch of it, and nothing that could be guessed or counted. */
export const newEpoch = (): string => randomBytes(9).toString('base64url');
