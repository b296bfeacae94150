/** How a service elsewhere was last seen; `never` until the first clear answer. */
export type Reach = 'never' | 'here' | 'away';
