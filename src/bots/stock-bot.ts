import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import type { Log } from '../chat/ports/log.ts';
import { bodyText } from '../platform/body-text.ts';
import type { Bot } from './bot.ts';

/** Well below the silence after which the sender is told that nobody answered. */
const TIMEOUT_MS = 4000;
const MAX_BYTES = 64 * 1024;
const CODE = /^[A-Za-z0-9.^=-]{1,20}$/;

interface StockOptions {
  /** `{code}` stands for the share's code; http(s), or file: for the sample that ships. */
  readonly stockUrl: string | undefined;
  readonly log: Log;
}

/** `/stock=CODE` answers the share's last price out of CSV with the columns Symbol and Close. */
export function createStockBot({ stockUrl, log }: StockOptions): Bot {
  return {
    id: 'bot-stock',
    name: 'Stock bot',
    words: ['stock'],
    async answer(code) {
      if (!CODE.test(code)) return 'Tell me the code of a share: /stock=AAPL.US';
      if (stockUrl === undefined) return 'I know no source of quotes: the operator sets STOCK_URL';
      let csv: string;
      try {
        csv = await fetchCsv(stockUrl, code);
      } catch (cause) {
        log.warn('the source of quotes did not answer', { cause: cause instanceof Error ? cause.name : 'unknown' });
        return `The source of quotes does not answer at the moment, so I cannot tell ${code.toUpperCase()}`;
      }
      const price = priceOf(csv, code);
      if (price === undefined) return `I find no quote for ${code.toUpperCase()}`;
      const note = stockUrl.startsWith('file:') ? ' (sample data, not a real quote)' : '';
      return `${code.toUpperCase()} quote is $${price} per share${note}`;
    },
  };
}

async function fetchCsv(stockUrl: string, code: string): Promise<string> {
  if (stockUrl.startsWith('file:')) return readFile(fileURLToPath(stockUrl), 'utf8');
  const url = stockUrl.replaceAll('{code}', encodeURIComponent(code.toLowerCase()));
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const { statusCode, body } = await request(url, { signal, headers: { accept: 'text/csv' } });
  if (statusCode !== 200) {
    body.destroy();
    throw new Error(`status ${statusCode}`);
  }
  return bodyText(body, MAX_BYTES);
}

/** The close of the row whose symbol is `code`, when it is a number: sources say `N/D` for codes they do not know. */
function priceOf(csv: string, code: string): string | undefined {
  const [header = [], ...rows] = csv
    .trim()
    .split(/\r?\n/)
    .map((line) => line.split(',').map((cell) => cell.trim()));
  const names = header.map((it) => it.toLowerCase());
  const symbol = names.indexOf('symbol');
  const close = names.indexOf('close');
  const row = rows.find((it) => it[symbol]?.toUpperCase() === code.toUpperCase());
  const price = row?.[close];
  return price !== undefined && /^\d+(\.\d+)?$/.test(price) ? price : undefined;
}
