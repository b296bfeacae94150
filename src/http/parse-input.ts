import type { z } from 'zod';
import { invalidFields } from '../chat/errors.ts';

const FIELDS_MAX = 20;
/** Names of fields may be the caller's own (keys of a map): an answer repeats no more of them than this. */
const FIELD_CHARACTERS = 80;

/** @throws invalid_fields with the paths of what is wrong; `whole` names the input where the fault has no path. */
export function parseInput<S extends z.ZodType>(schema: S, value: unknown, whole: string): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.slice(0, FIELDS_MAX).map((issue) => ({
    field: issue.path.map(String).join('.').toWellFormed().slice(0, FIELD_CHARACTERS) || whole,
    message: issue.message,
  }));
  const detail = issues
    .slice(0, 3)
    .map((it) => `${it.field}: ${it.message}`)
    .join('; ');
  throw invalidFields(detail, ...new Set(issues.map((it) => it.field)));
}
