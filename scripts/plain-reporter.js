/**
 * Counts for the closing line. A file that could not run has no tests that failed, so it counts as one itself.
 * Sends the counts to scripts/test.js, which prints them last; prints them where nobody listens.
 */
export default class PlainReporter {
  onRunComplete(_contexts, results) {
    const counts = {
      passed: results.numPassedTests,
      failed: results.numFailedTests + results.numRuntimeErrorTestSuites + (results.wasInterrupted ? 1 : 0),
      skipped: results.numPendingTests + results.numTodoTests,
    };
    if (process.send) process.send(counts);
    else console.log(closingLine(counts));
  }
}

export const closingLine = ({ passed, failed, skipped }) => `${passed} passed, ${failed} failed, ${skipped} skipped`;
