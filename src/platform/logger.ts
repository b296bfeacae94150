import winston from 'winston';
import { redact, redactText } from './redact.ts';

/** From most to least important. */
const LEVELS = ['error', 'warn', 'info', 'http', 'verbose', 'debug', 'silly'] as const;
export type LogLevel = (typeof LEVELS)[number];

export type LogFields = Readonly<Record<string, unknown>>;

/** An error goes into a field (`{ err }`) and is written with its causes. Secrets are taken out of everything. */
export interface Logger extends Readonly<Record<LogLevel, (message: string, fields?: LogFields) => void>> {
  /** Asks before fields are gathered for a line on a hot path that nobody may want. */
  isLevelEnabled(level: LogLevel): boolean;
  /** A logger whose lines also carry `fields`, e.g. `{ requestId }` or `{ worker }`. */
  child(fields: LogFields): Logger;
}

interface LoggerOptions {
  readonly level: LogLevel;
  readonly format: 'pretty' | 'json';
  /** Standard output when absent. */
  readonly stream?: NodeJS.WritableStream;
  /** Names the process in every line. */
  readonly node?: string;
}

/** What {@link loggerOn} gives to winston as one field, so that no field of a caller can pass for level or message. */
interface Line {
  readonly level: string;
  readonly message: string;
  readonly fields: LogFields;
}

export function createLogger({ level, format, stream, node }: LoggerOptions): Logger {
  const base = winston.createLogger({
    level,
    levels: Object.fromEntries(LEVELS.map((it, rank) => [it, rank])),
    format: winston.format.printf((info) => (format === 'json' ? toJson : toPretty)(lineOf(info))),
    transports: [stream === undefined ? new winston.transports.Console() : new winston.transports.Stream({ stream })],
  });
  return loggerOn(base, LEVELS.indexOf(level), node === undefined ? {} : { node });
}

function loggerOn(base: winston.Logger, enabled: number, own: LogFields): Logger {
  const write =
    (level: LogLevel) =>
    (message: string, fields?: LogFields): void => {
      if (LEVELS.indexOf(level) > enabled) return;
      base.log({ level, message, fields: fields === undefined ? own : { ...own, ...fields } });
    };
  return {
    error: write('error'),
    warn: write('warn'),
    info: write('info'),
    http: write('http'),
    verbose: write('verbose'),
    debug: write('debug'),
    silly: write('silly'),
    isLevelEnabled: (level) => LEVELS.indexOf(level) <= enabled,
    child: (fields) => loggerOn(base, enabled, { ...own, ...fields }),
  };
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

function lineOf({ level, message, fields }: winston.Logform.TransformableInfo): Line {
  const clean = redact(fields);
  return { level, message: redactText(String(message)), fields: isRecord(clean) ? clean : {} };
}

const now = (): string => new Date().toISOString();

function toJson({ level, message, fields }: Line): string {
  return JSON.stringify({ ...fields, time: now(), level, message });
}

function toPretty({ level, message, fields }: Line): string {
  const words: string[] = [];
  const blocks: string[] = [];
  for (const [key, value] of Object.entries(fields)) {
    if (isRecord(value) && typeof value.stack === 'string') blocks.push(...prettyError(key, value));
    else words.push(`${key}=${typeof value === 'string' && /^[\w.:/-]+$/.test(value) ? value : JSON.stringify(value)}`);
  }
  return [[now(), level.padEnd(7), message, ...words].join(' '), ...blocks].join('\n');
}

function prettyError(
  label: string,
  { stack, cause, errors, name, message, ...rest }: Record<string, unknown>,
): string[] {
  const inner = [cause, ...(Array.isArray(errors) ? errors : [])].filter((it) => it !== undefined);
  const facts = Object.keys(rest).length === 0 ? '' : ` ${JSON.stringify(rest)}`;
  const text = stack === '' ? `${String(name)}: ${String(message)}` : String(stack);
  return [
    `  ${label}: ${text.replaceAll('\n', '\n  ')}${facts}`,
    ...inner.flatMap((it) => (isRecord(it) ? prettyError('cause', { stack: '', ...it }) : [`  cause: ${String(it)}`])),
  ];
}
