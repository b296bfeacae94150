export type Child = Node | string | false | undefined;

type Listeners = { [E in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[E]) => void };

export interface Props {
  readonly id?: string;
  readonly class?: string;
  readonly testid?: string;
  readonly data?: Readonly<Record<string, string>>;
  /** Any other attribute; `false` and `undefined` leave it out. */
  readonly attrs?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly on?: Listeners;
}

/** Builds an element. Texts become text nodes: nothing that came over the wire is ever parsed as HTML. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (props.id !== undefined) made.id = props.id;
  if (props.class !== undefined) made.className = props.class;
  if (props.testid !== undefined) made.dataset.testid = props.testid;
  for (const [name, value] of Object.entries(props.data ?? {})) made.dataset[name] = value;
  setAttributes(made, props.attrs ?? {});
  for (const [name, listener] of Object.entries(props.on ?? {})) {
    made.addEventListener(name, listener as EventListener);
  }
  made.append(...present(children));
  return made;
}

export function setAttributes(
  of: Element,
  attrs: Readonly<Record<string, string | number | boolean | undefined>>,
): void {
  for (const [name, value] of Object.entries(attrs)) {
    if (value === undefined || value === false) of.removeAttribute(name);
    else of.setAttribute(name, value === true ? '' : String(value));
  }
}

export const present = (children: readonly Child[]): (Node | string)[] =>
  children.filter((it) => it !== undefined && it !== false);

/** Replaces what `parent` holds, unless it is the same text already. */
export function setText(of: Element, text: string): void {
  if (of.textContent !== text) of.textContent = text;
}

const SVG = 'http://www.w3.org/2000/svg';

/** Drawn for 24 by 24 with round strokes. */
const ICONS = {
  logo: 'M12 4c-5 0-9 3.1-9 7.2 0 2.3 1.3 4.3 3.3 5.6L5.5 20.5l4.2-2.3c.7.1 1.5.2 2.3.2 5 0 9-3.1 9-7.2S17 4 12 4ZM8.5 10h7M8.5 13h4.5',
  menu: 'M4 7h16M4 12h16M4 17h16',
  people:
    'M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM2.5 20c0-3.6 2.9-6 6.5-6s6.5 2.4 6.5 6M16 4.5a3.5 3.5 0 0 1 0 6M18 14.5c2.2.8 3.5 2.8 3.5 5.5',
  plus: 'M12 5v14M5 12h14',
  search: 'M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14ZM16.5 16.5 21 21',
  lock: 'M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3',
  hash: 'M9 4 7 20M17 4l-2 16M4.5 9h16M3.5 15h16',
  send: 'M4 12 20 4l-5 16-3.5-6.5L4 12Z',
  image: 'M4 5h16v14H4zM4 16l4.5-4.5L13 16l3-3 4 4M15.5 9.5h.01',
  reply: 'M9 7 4 12l5 5M4.5 12H14c4 0 6 2 6 6',
  edit: 'M4 20h4L19 9l-4-4L4 16v4ZM13 7l4 4',
  trash: 'M5 7h14M10 7V4.5h4V7M7 7l1 13h8l1-13',
  close: 'M6 6l12 12M18 6 6 18',
  more: 'M5 11.5a.5.5 0 1 0 0 1 .5.5 0 0 0 0-1ZM12 11.5a.5.5 0 1 0 0 1 .5.5 0 0 0 0-1ZM19 11.5a.5.5 0 1 0 0 1 .5.5 0 0 0 0-1Z',
  settings: 'M4 7h10M18 7h2M4 17h2M10 17h10M16 4.5v5M8 14.5v5',
  leave: 'M14 4h5v16h-5M10 8l-4 4 4 4M6.5 12H15',
  sun: 'M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4',
  moon: 'M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5Z',
  auto: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM12 3v18M12 7l6 0M12 12h9M12 17h6',
  down: 'M12 5v14M6 13l6 6 6-6',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  bot: 'M5 9h14v10H5zM12 5v4M9 13.5h.01M15 13.5h.01M2.5 13v3M21.5 13v3',
  alert: 'M12 8v5M12 16.5h.01M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z',
} as const;

export type IconName = keyof typeof ICONS;

/** A decoration: what it means is said in text or in the label of what holds it. */
export function icon(name: IconName): SVGSVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  setAttributes(svg, { viewBox: '0 0 24 24', class: 'icon', 'aria-hidden': 'true', focusable: 'false' });
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', ICONS[name]);
  svg.append(path);
  return svg;
}

/** A button that shows only an icon. */
export function iconButton(name: IconName, label: string, press: () => void, more: Props = {}): HTMLButtonElement {
  return el(
    'button',
    {
      ...more,
      class: `icon-button ${more.class ?? ''}`.trim(),
      attrs: { type: 'button', 'aria-label': label, title: label, ...more.attrs },
      on: { ...more.on, click: press },
    },
    icon(name),
  );
}

/**
 * Makes the children of `parent` those of `items`, in their order, keeping the elements of items that were there: focus
 * and scroll position stay. `update` is called for each, the new ones too.
 */
export function keyed<T>(
  parent: HTMLElement,
  items: readonly T[],
  key: (item: T) => string,
  create: (item: T) => HTMLElement,
  update: (element: HTMLElement, item: T) => void,
): void {
  const before = new Map(
    [...parent.children].map((it) => [it instanceof HTMLElement ? it.dataset.key : undefined, it]),
  );
  let at: Element | null = parent.firstElementChild;
  for (const item of items) {
    const known = before.get(key(item));
    const element = known instanceof HTMLElement ? known : create(item);
    element.dataset.key = key(item);
    before.delete(key(item));
    update(element, item);
    if (element === at) at = at.nextElementSibling;
    else parent.insertBefore(element, at);
  }
  for (const gone of before.values()) gone.remove();
}
