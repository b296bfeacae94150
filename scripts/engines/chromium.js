// @ts-check
import { findProgram } from './find-program.js';

export const findChromium = () =>
  process.env.CHROMIUM
    ? findProgram(process.env.CHROMIUM)
    : findProgram('chromium', 'chromium-browser', 'google-chrome');
