// Menus that open on a button, for mouse and keyboard alike.
import {html, useEffect, useLayoutEffect, useRef, useState} from './ui.js';

// step is where an arrow key leads from one of count places; undefined for other keys.
export function step(key, at, count) {
  switch (key) {
    case 'ArrowDown': return (at + 1) % count;
    case 'ArrowUp': return (at + count - 1) % count;
    case 'Home': return 0;
    case 'End': return count - 1;
    default: return undefined;
  }
}

// Menu is a button and the list that it opens. Arrows move, Enter chooses, Escape and Tab close; whoever leaves it by
// keyboard is back on the button. entries are {label, note, icon, testid, onPick}.
export function Menu({label, testid, look, entries, children, up}) {
  const [open, setOpen] = useState(false);
  const root = useRef(null), opener = useRef(null), list = useRef(null);
  const close = (back) => { setOpen(false); if (back) opener.current?.focus(); };
  useLayoutEffect(() => { if (open) list.current.querySelector('button')?.focus(); }, [open]);
  useEffect(() => {
    if (!open) return undefined;
    const outside = (event) => { if (!root.current.contains(event.target)) close(false); };
    document.addEventListener('pointerdown', outside);
    return () => document.removeEventListener('pointerdown', outside);
  }, [open]);
  const key = (event) => {
    if (event.key === 'Escape' || event.key === 'Tab') {
      if (event.key === 'Escape') { event.preventDefault(); event.stopPropagation(); }
      close(event.key === 'Escape');
      return;
    }
    const items = [...list.current.querySelectorAll('button')];
    const next = step(event.key, items.indexOf(document.activeElement), items.length);
    if (next === undefined) return;
    event.preventDefault();
    items[next].focus();
  };
  return html`<span class="overflow" ref=${root}><button type="button" ref=${opener} class=${look} aria-label=${label}
    aria-haspopup="menu" aria-expanded=${open} data-testid=${testid} onClick=${() => setOpen(!open)}
    onKeyDown=${(event) => { if (event.key === 'ArrowDown' && !open) { event.preventDefault(); setOpen(true); } }}>
    ${children}</button>
    ${open && html`<span class=${`menu ${up ? 'up' : ''}`} role="menu" aria-label=${label} ref=${list} onKeyDown=${key}>
      ${entries.map((entry) => html`<button type="button" role="menuitem" tabindex="-1" data-testid=${entry.testid}
      onClick=${() => { close(true); entry.onPick(); }}>${entry.icon}<span>${entry.label}
        ${entry.note && html`<small>${entry.note}</small>`}</span></button>`)}</span>`}</span>`;
}
