/** The long form is run by `npm run faults`, the short one with all other tests. */
export const LONG = process.env.FAULTS === 'long';

/**
 * Limits of time are so many times what is promised in the short form: there each run shares two cores with what all other
 * tests left behind, and a figure of a few seconds says little. The long form holds the promised ones.
 */
export const PATIENCE = LONG ? 1 : 3;

/** Of receipts, how many percent are held to their limit: of the hundred that the short form gets, 99 leave but the slowest. */
export const HELD_PERCENT = LONG ? 99 : 95;
