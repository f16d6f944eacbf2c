// Dialogs: the confirm dialog of a button, and the views that the app opens.
import {html, Act, Icon, useEffect, useRef, useState} from './ui.js';
import {Text} from './mrkdwn.js';
import {Blocks} from './blocks.js';
import {upload} from './api.js';

// Dialog is a modal box; the browser's own dialog element keeps the focus inside and closes on Escape.
function Dialog({label, testid, onCancel, children, narrow}) {
  const box = useRef(null);
  useEffect(() => { if (!box.current.open) box.current.showModal(); }, []);
  return html`<dialog ref=${box} class=${`dialog ${narrow ? 'narrow' : ''}`} aria-label=${label} data-testid=${testid}
    onCancel=${(event) => { event.preventDefault(); onCancel(); }}>${children}</dialog>`;
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

function options(element) {
  return element.options ?? (element.option_groups ?? []).flatMap((group) => group.options);
}

function Input({element, value, set, id}) {
  const common = {id, 'data-testid': `input-${element.action_id}`, disabled: false};
  switch (element.type) {
    case 'static_select': case 'external_select':
      return html`<span class="select wide"><select ...${common} onChange=${(event) => set(event.target.value)}>
        <option value="" disabled selected=${!value}>${element.placeholder?.text ?? 'Choose an option'}</option>
        ${options(element).map((option) => html`<option value=${option.value} selected=${option.value === value}>
          ${option.text.text}</option>`)}</select><${Icon} name="chevron" size=${14} /></span>`;
    case 'radio_buttons':
      return html`<div role="radiogroup">${options(element).map((option) => html`<label class="choice"><input type="radio"
        name=${id} checked=${option.value === value}
        onChange=${() => set(option.value)} /> <${Text} of=${option.text} /></label>`)}</div>`;
    case 'file_input':
      return html`<input ...${common} type="file" multiple=${(element.max_files ?? 10) > 1}
        accept=${(element.filetypes ?? []).map((kind) => `.${kind}`).join(',')}
        onChange=${(event) => Promise.all([...event.target.files].map(upload))
          .then((sent) => set(sent.map((file) => file.id)))} />`;
    case 'plain_text_input': case 'email_text_input': case 'url_text_input': case 'number_input': default: {
      const typed = {
        ...common, value: value ?? '', placeholder: element.placeholder?.text ?? '', maxlength: element.max_length,
        onInput: (event) => set(event.target.value),
      };
      return element.multiline ? html`<textarea ...${typed} rows="4"></textarea>` : html`<input ...${typed}
        type="text" />`;
    }
  }
}

const initial = (element) => element.initial_value ?? element.initial_option?.value ?? '';

// View is one modal that the app opened. Errors stand under the inputs that they name.
export function View({view, onSubmit, onClick, onConfirm, onClose}) {
  const inputs = (view.blocks ?? []).filter((block) => block.type === 'input');
  const begin = () => Object.fromEntries(inputs.map((block) => [block.block_id, initial(block.element)]));
  const [values, setValues] = useState(begin);
  const [errors, setErrors] = useState({});
  const [busy, setBusy] = useState(false);
  const send = async (event) => {
    event.preventDefault();
    setBusy(true);
    const sent = inputs.map((block) => [block.block_id, values[block.block_id] ?? initial(block.element)]);
    const texts = sent.filter(([, value]) => typeof value === 'string' && value !== '');
    const picked = sent.filter(([, value]) => Array.isArray(value));
    setErrors(await onSubmit(Object.fromEntries(texts), Object.fromEntries(picked)));
    setBusy(false);
  };
  return html`<${Act.Provider} value=${{click: onClick, confirm: onConfirm}}><${Dialog} label=${view.title} testid="modal"
    onCancel=${onClose}><form onSubmit=${send}>
    <header><img src="/static/icon.svg" alt="" width="28" height="28" /><h2>${view.title}</h2>
      <button type="button" class="icon-button" aria-label="Close" onClick=${onClose}><${Icon}
        name="close" /></button></header>
    <div class="dialog-body">${(view.blocks ?? []).map((block) => (block.type !== 'input' ? html`<${Blocks}
      blocks=${[block]} />`
      : html`<div class="input"><label for=${`${view.id}-${block.block_id}`}><${Text} of=${block.label} />
        ${block.optional && html`<small> (optional)</small>`}</label>
        <${Input} id=${`${view.id}-${block.block_id}`} element=${block.element} value=${values[block.block_id]}
          set=${(value) => setValues((old) => ({...old, [block.block_id]: value}))} />
        ${errors[block.block_id] && html`<div class="input-error" role="alert"><${Icon} name="warn"
          size=${14} /> ${errors[block.block_id]}</div>`}
        ${block.hint && html`<small class="hint"><${Text} of=${block.hint} /></small>`}</div>`))}</div>
    <footer><button type="button" class="button" onClick=${onClose}>${view.close || 'Cancel'}</button>
      ${view.submit && html`<button type="submit" class="button solid primary" data-testid="modal-submit" disabled=${busy}>
        ${view.submit}</button>`}</footer>
  </form><//><//>`;
}
