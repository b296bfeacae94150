import { describe, expect, it } from '@jest/globals';
import { bytesText, preview, segments, utf8Bytes } from './text.ts';

const links = (text: string): string[] => segments(text).flatMap((it) => (it.href === undefined ? [] : [it.text]));

describe('segments', () => {
  it('loses nothing of the text', () => {
    for (const text of ['', 'plain', 'a http://b.c d', 'http://b.c', '(see https://a.b/c_(d).) http://']) {
      expect(
        segments(text)
          .map((it) => it.text)
          .join(''),
      ).toBe(text);
    }
  });

  it('finds links of three schemes and no others', () => {
    expect(links('http://a.b HTTPS://c.d/e?f=g#h ftp://i.j')).toEqual([
      'http://a.b',
      'HTTPS://c.d/e?f=g#h',
      'ftp://i.j',
    ]);
    expect(links('javascript:alert(1) data:text/html,x file:///etc/passwd www.a.b mailto:a@b.c')).toEqual([]);
    expect(links('http:// https://')).toEqual([]);
  });

  it('leaves punctuation and brackets of the sentence out', () => {
    expect(links('Go to http://a.b/c, or (http://a.b/d)! http://a.b/e_(f).')).toEqual([
      'http://a.b/c',
      'http://a.b/d',
      'http://a.b/e_(f)',
    ]);
    expect(links('<a href="http://a.b">x</a>')).toEqual(['http://a.b']);
  });
});

describe('preview', () => {
  it('is one line, cut between characters', () => {
    expect(preview(' a\n\n b\t c ')).toBe('a b c');
    expect(preview('😀😀😀😀', 3)).toBe('😀😀…');
  });
});

describe('sizes', () => {
  it('counts bytes, not characters', () => {
    expect(utf8Bytes('aé😀')).toBe(7);
    expect([12, 51_234, 1_250_000].map(bytesText)).toEqual(['12 B', '51 kB', '1.3 MB']);
  });
});
