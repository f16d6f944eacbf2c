// Dialogs: the confirm dialog of a button, and the views that the app opens: modals and the Home tab.
import {html, Act, Icon, useEffect, useRef, useState} from './ui.js';
import {Text} from './mrkdwn.js';
import {Blocks} from './blocks.js';
import {initial} from './fields.js';

// Dialog is a modal box. The browser's own dialog element keeps the focus inside and tells of Escape; afterwards the focus is
// where it was.
function Dialog({label, testid, onCancel, children, narrow}) {
  const box = useRef(null);
  useEffect(() => {
    const before = document.activeElement;
    if (!box.current.open) {
      box.current.showModal();
      if (!box.current.querySelector('[autofocus]')) { // else the first button would have it, which closes
        (box.current.querySelector('.input :is(input, select, textarea)') ?? box.current.querySelector('.dialog-body'))?.focus();
      }
    }
    return () => {
      const back = before?.isConnected && before !== document.body ? before : document.querySelector('[data-testid=composer]');
      back?.focus();
    };
  }, []);
  return html`<dialog ref=${box} class=${`dialog ${narrow ? 'narrow' : ''}`} aria-label=${label} data-testid=${testid}
    onCancel=${(event) => { event.preventDefault(); onCancel(); }} onClose=${onCancel}>${children}</dialog>`;
}

export function Confirm({confirm, onAnswer}) {
  return html`<${Dialog} label=${confirm.title?.text ?? 'Are you sure?'} testid="confirm" narrow=${true}
    onCancel=${() => onAnswer(false)}>
    <h2><${Text} of=${confirm.title} /></h2><div class="dialog-text"><${Text} of=${confirm.text} /></div>
    <footer><button type="button" class="button" data-testid="confirm-cancel" onClick=${() => onAnswer(false)}>
      ${confirm.deny?.text ?? 'Cancel'}</button>
      <button type="button" class=${`button solid ${confirm.style ?? 'primary'}`} data-testid="confirm-ok" autofocus
        onClick=${() => onAnswer(true)}>${confirm.confirm?.text ?? 'Yes'}</button></footer>
  <//>`;
}

// inside are the blocks and those in them.
const inside = (blocks) => (blocks ?? []).flatMap((block) => [block, ...inside(block.child_blocks),
  ...(block.type === 'layout' ? inside(block.rows.flatMap((row) => row.items.map((item) => item.block))) : [])]);

const plain = ['button', 'overflow', 'icon_button', 'feedback_buttons', 'image', 'plain_text', 'mrkdwn'];

// fieldsOf are the elements of a view that hold a value, each with the key under which the app knows it and the page keeps it.
function fieldsOf(view) {
  return inside(view.blocks).flatMap((block) => {
    const elements = block.type === 'input' ? [block.element] : block.type === 'actions' ? block.elements
      : block.type === 'section' && block.accessory ? [block.accessory] : [];
    return elements.filter((element) => !plain.includes(element.type)).map((element) => ({
      element, name: block.type === 'input' ? block.block_id : element.action_id, key: `${block.block_id}/${element.action_id}`,
    }));
  });
}

// useForm keeps what somebody put into the fields of a view: under the same ids it stays when the app draws the view anew.
function useForm(view, errors, {onClick, onConfirm, onSuggest, onUpload}) {
  const [values, setValues] = useState({});
  const fields = fieldsOf(view);
  const key = (element, block) => `${block.block_id}/${element.action_id}`;
  const all = (changed = {}) => Object.fromEntries(fields.map((field) => [
    field.name, changed[field.key] ?? values[field.key] ?? initial(field.element)]));
  const act = {
    id: view.id, errors, confirm: onConfirm, suggest: onSuggest, upload: onUpload,
    value: (element, block) => values[key(element, block)] ?? initial(element),
    set: (element, block, value) => setValues((old) => ({...old, [key(element, block)]: value})),
    click: (element, block, value) => onClick(element, block, value, all({[key(element, block)]: value ?? ''})),
  };
  return {act, all};
}

// View is one modal that the app opened. Errors stand under the inputs that they name.
export function View({view, onSubmit, onClose, ...can}) {
  const [errors, setErrors] = useState({});
  const [busy, setBusy] = useState(false);
  const body = useRef(null);
  const {act, all} = useForm(view, errors, can);
  const send = async (event) => {
    event.preventDefault();
    setBusy(true);
    setErrors(await onSubmit(all()));
    setBusy(false);
  };
  useEffect(() => { setErrors({}); body.current.scrollTop = 0; }, [view.hash]);
  useEffect(() => {
    const first = body.current.querySelector('.input.wrong input, .input.wrong select, .input.wrong textarea, .input.wrong button');
    first?.focus();
  }, [errors]);
  const focused = useRef('');
  useEffect(() => {
    // The app has drawn the view anew, and what had the focus may be gone: its successor gets it, or the view.
    if (document.activeElement !== document.body) return;
    (body.current.querySelector(`[data-testid="${CSS.escape(focused.current)}"]`) ?? body.current).focus();
  }, [view.hash]);
  return html`<${Act.Provider} value=${act}><${Dialog} label=${view.title} testid="modal"
    onCancel=${onClose}><form onSubmit=${send} novalidate>
    <header><img src="/static/icon.svg" alt="" width="28" height="28" /><h2>${view.title}</h2>
      <button type="button" class="icon-button" aria-label="Close" onClick=${onClose}><${Icon}
        name="close" /></button></header>
    <div class="dialog-body" ref=${body} tabindex="-1"
      onFocusIn=${(event) => { focused.current = event.target.dataset.testid ?? ''; }}><${Blocks} blocks=${view.blocks ?? []} /></div>
    <footer><button type="button" class="button" data-testid="modal-close" onClick=${onClose}>${view.close || 'Cancel'}</button>
      ${view.submit && html`<button type="submit" class="button solid primary" data-testid="modal-submit" disabled=${busy}>
        ${view.submit}</button>`}</footer>
  </form><//><//>`;
}

// Home is the app's Home tab as it drew it for this person.
export function Home({view, known, app, ...can}) {
  const {act} = useForm(view ?? {blocks: []}, {}, can);
  return html`<div class="home messages" role="tabpanel" aria-label="Home" data-testid="home" tabindex="0"><div class="home-inner">
    ${view ? html`<${Act.Provider} value=${act}><${Blocks} blocks=${view.blocks ?? []} /><//>`
      : known && html`<p class="none">${app} has not drawn its Home for you yet.</p>`}</div></div>`;
}
