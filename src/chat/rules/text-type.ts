/** 2, a link: the text starts with an address; otherwise 1. */
export const textType = (text: string): 1 | 2 => (/^(?:https?|ftp):\/\//.test(text) ? 2 : 1);
