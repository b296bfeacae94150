// @ts-check
import { findProgram } from './find-program.js';

export const findNginx = () => findProgram('nginx');
