import { type ChatError, invalidFields } from './errors.ts';

const FIELDS_MAX = 20;
/** Names of fields may be the caller's own (keys of a map): an answer repeats no more of them than this. */
const FIELD_CHARACTERS = 80;

/** What a schema found wrong. */
interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** `invalid_fields` with the paths of what is wrong; `whole` names the input where the fault has no path. */
export function inputError(issues: readonly Issue[], whole: string): ChatError {
  const faults = issues.slice(0, FIELDS_MAX).map((issue) => ({
    field: issue.path.map(String).join('.').slice(0, FIELD_CHARACTERS).toWellFormed() || whole,
    message: issue.message,
  }));
  const detail = faults
    .slice(0, 3)
    .map((it) => `${it.field}: ${it.message}`)
    .join('; ');
  return invalidFields(detail, ...new Set(faults.map((it) => it.field)));
}
