/** No version of anything: a condition that cannot hold. */
const NEVER = -1;

/** The ETag of a room: its version. */
export const versionTag = (version: number): string => `"${version}"`;

/**
 * The version that `If-Match` asks for; undefined when any will do. What is not one strong tag of ours (weak, a list,
 * malformed) matches nothing: refusing costs the caller a read, guessing could cost somebody's change.
 */
export function versionWanted(ifMatch: string | undefined): number | undefined {
  if (ifMatch === undefined || ifMatch.trim() === '*') return undefined;
  const version = /^"(\d{1,15})"$/.exec(ifMatch.trim())?.[1];
  return version === undefined ? NEVER : Number(version);
}

/** Whether `If-None-Match` names this tag; weak ones count, as in every comparison for a cache. */
export function tagKnown(ifNoneMatch: string | undefined, tag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(',').some((it) => ['*', tag].includes(it.trim().replace(/^W\//, '')));
}
