// Where a person writes: text, slash commands with suggestions, files by picker, by drop and from the samples.
import {Menu, step} from './menu.js';
import {html, Icon, useEffect, useLayoutEffect, useRef, useState, bytes} from './ui.js';

export const sampleFile = (sample) => Object.assign(new File([sample.content], sample.name, {type: 'text/csv'}), {words: sample.text});

export function SampleButton({sample, onPick, role}) {
  return html`<button type="button" role=${role} class="sample" data-testid=${`sample-${sample.name}`}
    onClick=${() => onPick(sample)}>
    <span class="file-icon csv"><${Icon} name="sheet" size=${18} /></span>
    <span><b>${sample.name}</b><small>${sample.note}</small></span></button>`;
}

function Samples({samples, onPick, onClose}) {
  const list = useRef(null);
  useEffect(() => { list.current.querySelector('.sample')?.focus(); }, []);
  const key = (event) => {
    if (event.key === 'Escape') { event.preventDefault(); onClose(); return; }
    const items = [...list.current.querySelectorAll('.sample')];
    const next = step(event.key, items.indexOf(document.activeElement), items.length);
    if (next === undefined) return;
    event.preventDefault();
    items[next].focus();
  };
  return html`<div class="popover samples" role="menu" aria-label="Sample files" data-testid="samples" ref=${list}
    onKeyDown=${key}>
    <div class="popover-title">Sample files <small>pick one, then send it here</small>
      <button type="button" class="icon-button" aria-label="Close" onClick=${onClose}><${Icon} name="close"
        size=${14} /></button></div>
    ${samples.map((sample) => html`<${SampleButton} sample=${sample} role="menuitem" onPick=${onPick} />`)}</div>`;
}

function Suggestions({list, chosen, onPick}) {
  return html`<div class="popover suggestions" role="listbox" aria-label="Commands" data-testid="suggestions">
    <div class="popover-title">Commands of the app <small>
      <kbd>↑</kbd> <kbd>↓</kbd> to choose, <kbd>Tab</kbd> to take over</small></div>
    ${list.map((entry, i) => html`<button type="button" role="option" aria-selected=${i === chosen}
      class=${`suggestion ${i === chosen ? 'chosen' : ''}`}
      onMouseDown=${(event) => { event.preventDefault(); onPick(entry); }}><img src="/static/icon.svg" alt="" width="20"
        height="20" />
      <span class="suggestion-words"><b>${entry.words}</b><small>${entry.note}</small></span></button>`)}</div>`;
}

// fitting are the suggestions that go on from what is typed.
function fitting(suggestions, text) {
  if (!text.startsWith('/') || text.includes('\n')) return [];
  return suggestions.filter((entry) => entry.text.startsWith(text) && entry.text !== text);
}

export function Composer(props) {
  const {id, placeholder, command, suggestions, samples, open, setOpen, onSend, files, setFiles, inThread, shortcuts = [], onShortcut} = props;
  const [text, setText] = useState('');
  const [chosen, setChosen] = useState(0);
  const [closed, setClosed] = useState(false);
  const [busy, setBusy] = useState(false);
  const area = useRef(null), picker = useRef(null);
  useEffect(() => { setText(''); area.current?.focus(); }, [id]);
  // A file that wants words beside it brings them.
  useEffect(() => { const words = files.at(-1)?.words; if (words && text === '') setText(words); }, [files]);
  useLayoutEffect(() => {
    const box = area.current;
    box.style.height = 'auto';
    box.style.height = `${Math.min(box.scrollHeight, 180)}px`;
  }, [text]);

  const list = inThread || closed ? [] : fitting(suggestions, text);
  const take = (entry) => { setText(entry.text); setChosen(0); area.current.focus(); };
  const ready = !busy && (text.trim() !== '' || files.length > 0);

  const send = async () => {
    if (!ready) return;
    setBusy(true);
    const [sentText, sentFiles] = [text, files];
    setText(''); setFiles([]); setOpen?.(false);
    // What could not be sent comes back to be corrected.
    if (!(await onSend(sentText.trim(), sentFiles))) { setText(sentText); setFiles(sentFiles); }
    setBusy(false);
    area.current?.focus();
  };
  const key = (event) => {
    if (event.isComposing) return;
    if (list.length > 0) {
      if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
        event.preventDefault();
        return setChosen((chosen + (event.key === 'ArrowDown' ? 1 : list.length - 1)) % list.length);
      }
      if (event.key === 'Tab') { event.preventDefault(); return take(list[Math.min(chosen, list.length - 1)]); }
      if (event.key === 'Escape') return setClosed(true);
    }
    if (event.key === 'Enter' && !event.shiftKey) { event.preventDefault(); send(); }
    return undefined;
  };
  const pick = (event) => { setFiles([...files, ...event.target.files]); event.target.value = ''; area.current.focus(); };

  return html`<div class="composer">
    ${list.length > 0 && html`<${Suggestions} list=${list} chosen=${Math.min(chosen, list.length - 1)} onPick=${take} />`}
    ${open && html`<${Samples} samples=${samples} onClose=${() => { setOpen(false); area.current.focus(); }}
      onPick=${(sample) => { setFiles([...files, sampleFile(sample)]); setOpen(false); area.current.focus(); }} />`}
    ${files.length > 0 && html`<div class="chips">${files.map((file, i) => html`<span class="chip"
      data-testid="pending-file"><span class="file-icon csv">
      <${Icon} name="sheet" size=${16} /></span><span><b>${file.name}</b><small>${bytes(file.size)}</small></span><button
        type="button" class="icon-button"
      aria-label=${`Remove ${file.name}`} onClick=${() => setFiles(files.filter((_, at) => at !== i))}><${Icon}
        name="close" size=${12} /></button></span>`)}</div>`}
    <textarea ref=${area} rows="1" value=${text} placeholder=${placeholder} aria-label=${placeholder}
      data-testid=${inThread ? 'thread-composer' : 'composer'}
      onInput=${(event) => { setText(event.target.value); setChosen(0); setClosed(false); }} onKeyDown=${key}
      onKeyPress=${(event) => { if (event.key === 'Enter' && !event.shiftKey) event.preventDefault(); }}></textarea>
    <div class="composer-tools">
      <${Menu} label="Attach a file, or use a shortcut" look="round" up=${true} testid=${inThread ? 'thread-plus' : 'plus'} entries=${[
        {label: 'Upload from this computer', icon: html`<${Icon} name="sheet" size=${18} />`, onPick: () => picker.current.click()},
        ...shortcuts.map((each) => ({
          label: each.name, note: each.description, testid: `shortcut-${each.callback_id}`,
          icon: html`<img src="/static/icon.svg" alt="" width="20" height="20" />`, onPick: () => onShortcut(each),
        })),
      ]}><${Icon} name="plus" size=${15} /><//>
      <input ref=${picker} type="file" multiple hidden data-testid=${inThread ? 'thread-file-input' : 'file-input'}
        aria-label="Attach a file" onChange=${pick} />
      ${!inThread && html`<button type="button" class="tool"
        onClick=${() => { setText('/'); setClosed(false); area.current.focus(); }}>
        <${Icon} name="slash" size=${14} /> ${command}</button>
      <button type="button" class=${`tool ${open ? 'on' : ''}`} data-testid="samples-open" aria-expanded=${open}
        onClick=${() => setOpen(!open)}>
        <${Icon} name="sample" size=${14} /> Sample files</button>`}
      <span class="grow"></span>
      <button type="button" class=${`send ${ready ? 'ready' : ''}`} aria-label="Send"
        data-testid=${inThread ? 'thread-send' : 'send'} disabled=${!ready} onClick=${send}><${Icon} name="send"
        size=${16} /></button>
    </div></div>`;
}
