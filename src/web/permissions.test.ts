import { describe, expect, it } from '@jest/globals';
import { may, type Role } from './permissions.ts';

const as = (role?: Role, admin = false) => ({ role, admin });
const message = { own: false, type: 1 };

describe('may', () => {
  it('lets moderators moderate and owners own', () => {
    expect([as(), as('member'), as('moderator'), as('owner')].map(may.moderate)).toEqual([false, false, true, true]);
    expect([as(), as('member'), as('moderator'), as('owner')].map(may.own)).toEqual([false, false, false, true]);
    expect([may.moderate(as(undefined, true)), may.own(as(undefined, true))]).toEqual([true, true]);
  });

  it('never offers to remove the owner or oneself', () => {
    expect(may.remove(as('owner'), { role: 'moderator', isMe: false })).toBe(true);
    expect(may.remove(as('moderator'), { role: 'member', isMe: false })).toBe(true);
    expect(may.remove(as('member'), { role: 'member', isMe: false })).toBe(false);
    expect(may.remove(as('moderator'), { role: 'owner', isMe: false })).toBe(false);
    expect(may.remove(as('owner'), { role: 'owner', isMe: true })).toBe(false);
  });

  it('lets one edit own texts, and delete own messages or, as a moderator, any', () => {
    expect(may.editMessage(as('member'), { ...message, own: true })).toBe(true);
    expect(may.editMessage(as('owner'), message)).toBe(false);
    expect(may.editMessage(as('member'), { own: true, type: 3 })).toBe(false);
    expect(may.editMessage(as(), { ...message, own: true })).toBe(false);
    expect(may.deleteMessage(as('moderator'), message)).toBe(true);
    expect(may.deleteMessage(as('member'), message)).toBe(false);
    expect(may.deleteMessage(as('owner'), { ...message, deleted: true })).toBe(false);
  });
});
